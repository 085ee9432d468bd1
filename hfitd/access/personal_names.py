"""How columns that hold something of a person are called, in the languages that schemas are written in.

Our own lists. A name is a run of words, lower case, without accents; languages that join words (German, Dutch, the
Nordic ones) are listed joined as well. ``classification`` says how names are cut into words and matched.
"""

from __future__ import annotations

from collections.abc import Mapping

from hfitd.model import Kind

TEXT = frozenset({Kind.TEXT, Kind.BYTES, Kind.OTHER, Kind.JSON})
NUMERIC = frozenset({Kind.INTEGER, Kind.NUMBER})
TIMES = frozenset({Kind.DATE, Kind.TIMESTAMP})


def _names(*texts: str) -> frozenset[str]:
    return frozenset(name for text in texts for name in text.split(";"))


# a bare "name" in a table called like one of these is a person's
PERSON_TABLES = _names(
    "account;accounts;actor;actors;applicant;attendee;author;authors;candidate;cardholder;child;"
    "citizen;client;clients;contact;contacts;customer;customers;donor;driver;employee;employees;"
    "guest;guests;holder;individual;instructor;lead;leads;member;members;owner;owners;passenger;"
    "patient;patients;people;person;persons;player;players;profile;profiles;recipient;rep;"
    "representative;resident;sender;staff;student;students;subscriber;teacher;tenant;user;users;"
    "visitor;worker;workers;applicants;attendees;candidates;donors;drivers;individuals;recipients;residents;"
    "subscribers;teachers;visitors;tenants;passengers",
    "benutzer;kunde;kunden;mitarbeiter;mitglied;mitglieder;personen;ansprechpartner;patienten;nutzer;mieter",
    "utilisateur;utilisateurs;personne;personnes;salarie;salaries;adherent;adherents;employe;employes",
    "usuario;usuarios;cliente;clientes;empleado;empleados;persona;personas;paciente;pacientes;alumno;alumnos",
    "utente;utenti;clienti;dipendente;dipendenti;persone;paziente;pazienti;funcionario;funcionarios;pessoa;pessoas",
    "klant;klanten;gebruiker;gebruikers;medewerker;medewerkers;personeel;kund;kunder;anvandare;bruger;brugere;bruker",
    "klient;klienci;uzytkownik;uzytkownicy;pracownik;pracownicy;osoba;osoby;zakaznik;uzivatel",
)  # fmt: skip

# a last word that makes a name a fact about the value
ABOUT = _names(
    "id;ids;count;total;number_of;type;types;kind;flag;status;state_id;verified;confirmed;valid;"
    "enabled;optin;length;at;on;sent;format;template;subject;level;rank;score;limit;attempts;expires;"
    "expiry;version;order;position;format_id;is;has;updated;created;changed"
)
NUMBERS_OF_PERSONS = frozenset({"national id", "tax id", "vat id", "passport id", "personal id"})

# reason -> (names as runs of words, kinds of column that can hold one)
PERSONAL: Mapping[str, tuple[frozenset[str], frozenset[Kind]]] = {
    "e-mail address": (
        _names(
            "email;emails;e mail;mail;mailbox;emailaddress;mailaddress;mailadresse;emailadresse;courriel;"
            "adresse mail;correo;correo electronico;posta elettronica;epost;sahkoposti;emailadres;eposta"
        ),
        TEXT,
    ),
    "phone number": (
        _names(
            "phone;telephone;tel;mobile;cell phone;cellphone;fax;msisdn;phonenumber;phoneno;whatsapp;"
            "telefon;telefonnummer;handynummer;mobil;mobilnummer;rufnummer;mobiltelefon;telefono;"
            "celular;movil;cellulare;telefone;telemovel;telefoon;telefoonnummer;mobiel;puhelin;telefonszam;komorka"
        ),
        TEXT | NUMERIC,
    ),
    "name of a person": (
        _names(
            "first name;firstname;last name;lastname;middle name;middlename;surname;forename;given name;givenname;"
            "family name;familyname;full name;fullname;maiden name;nickname;nick name;birth name;fname;lname;username;"
            "user name;login;login name;display name;displayname;contact name;customer name;employee name;patient name;"
            "cardholder;card holder;holder name;account holder;signature;person name;real name",
            "vorname;nachname;familienname;geburtsname;benutzername;ansprechpartner;kontoinhaber;rufname",
            "prenom;nom de famille;nom complet;nom usage;titulaire;nombre completo;primer apellido;apellido;"
            "apellidos;segundo apellido;nombres;cognome;nome completo;nominativo;sobrenome;apelido;intestatario",
            "voornaam;achternaam;familienaam;gebruikersnaam;fornamn;efternamn;fornavn;etternavn;efternavn;etunimi;"
            "sukunimi;imie;imiona;nazwisko;prijmeni;jmeno;keresztnev;vezeteknev;soyad;soyadi;prenume;prezime",
        ),
        TEXT,
    ),
    "postal address": (
        _names(
            "address;street;street name;house number;postal code;postalcode;postcode;post code;zip;zipcode;zip code;"
            "addr;po box;streetaddress;housenumber;adresse;anschrift;strasse;hausnummer;plz;postleitzahl;rue;"
            "code postal;adresse postale;direccion;domicilio;calle;codigo postal;indirizzo;endereco;morada;cep;"
            "adres;straat;huisnummer;gatuadress;postnummer;postnr;katuosoite;postinumero;ulica;kod pocztowy;ulice;"
            "iranyitoszam;adresa;posta kodu"
        ),
        TEXT | NUMERIC,
    ),
    "payment card": (
        _names(
            "credit card;creditcard;card number;cardnumber;card no;ccnumber;cc number;cvv;cvc;debit card;pan number;"
            "kreditkarte;kartennummer;kreditkartennummer;carte bancaire;numero carte;numero tarjeta;numero de tarjeta;"
            "tarjeta;carta credito;cartao;kaartnummer;numer karty"
        ),
        TEXT | NUMERIC,
    ),
    "bank account": (
        _names(
            "iban;bic;swift;bank account;account number;accountnumber;account no;routing number;sort code;bankaccount;"
            "kontonummer;bankverbindung;compte bancaire;cuenta bancaria;numero cuenta;conto corrente;conta bancaria;"
            "rekeningnummer;bankkonto;numer konta;tilinumero"
        ),
        TEXT | NUMERIC,
    ),
    "birth": (
        _names(
            "birth;birthday;birthdate;birth date;date of birth;dob;birthplace;born;geburtsdatum;geburtstag;geburtsort;"
            "geburtsjahr;date naissance;naissance;lieu naissance;fecha nacimiento;nacimiento;data nascita;nascita;"
            "nascimento;geboortedatum;geboorteplaats;fodelsedatum;fodselsdato;syntymaaika;data urodzenia;urodzenia;"
            "datum narozeni;szuletesi datum;dogum tarihi"
        ),
        TEXT | NUMERIC | TIMES,
    ),
    "national, tax or document number": (
        _names(
            "ssn;social security;national id;national number;nationalid;nin;nino;tax id;taxid;tax number;tin;vat id;"
            "passport;passport number;passport id;driver license;driving licence;drivers license;license number;"
            "licence number;personal id;personal number;personnummer;insurance number;identity number;id card;"
            "steuernummer;steuerid;sozialversicherungsnummer;ausweisnummer;personalausweis;reisepass;"
            "numero securite sociale;securite sociale;dni;nie;nif;curp;codice fiscale;codicefiscale;"
            "cpf;cnpj;contribuinte;bsn;burgerservicenummer;rijksregisternummer;rijksregister;fodselsnummer;cpr;"
            "cprnummer;hetu;henkilotunnus;pesel;rodne cislo;cnp;egn;ahv;ahv nummer;kimlik;tckn;aadhaar;sin number"
        ),
        TEXT | NUMERIC,
    ),
    "network address or place": (
        _names(
            "ip;ip address;ipaddress;ipaddr;remote addr;mac address;latitude;longitude;lat;lng;lon;geolocation;"
            "user agent;useragent;ipv4;ipv6;client ip;geo point;coordinates;breitengrad;laengengrad;"
            "adresse ip;direccion ip;latitud;longitud;latitudine;longitudine"
        ),
        TEXT | NUMERIC,
    ),
    "secret": (
        _names(
            "password;passwd;pwd;passphrase;secret;token;api key;apikey;access key;private key;salt;otp;pin;pin code;"
            "security question;security answer;session key;cookie;credential;credentials;password hash;"
            "passwort;kennwort;mot passe;mot de passe;motdepasse;contrasena;senha;palavra passe;parola;"
            "wachtwoord;losenord;adgangskode;passord;salasana;haslo;heslo;jelszo;sifre"
        ),
        TEXT | NUMERIC,
    ),
    "health, belief or origin": (
        _names(
            "diagnosis;religion;ethnicity;blood type;medication;allergy;allergies;gender;sex;marital status;"
            "nationality;disability;diagnose;konfession;geschlecht;familienstand;staatsangehoerigkeit;sexe;"
            "etat civil;nationalite;sexo;estado civil;nacionalidad;sesso;stato civile;nazionalita;geslacht;"
            "burgerlijke staat;plec"
        ),
        TEXT,
    ),
    "picture of a person": (
        _names("photo;picture;avatar;portrait;selfie;fingerprint;biometric;passfoto;lichtbild"),
        frozenset({Kind.BYTES, Kind.TEXT}),
    ),
    "income": (_names("salary;wage;income;gehalt;lohn;salaire;salario;sueldo;stipendio;salaris"), TEXT | NUMERIC),
}  # fmt: skip

# endings of words that are written in one
SUFFIXES: Mapping[str, str] = {
    "email": "e-mail address",
    "emailaddress": "e-mail address",
    "phonenumber": "phone number",
    "telefon": "phone number",
    "telefonnummer": "phone number",
    "firstname": "name of a person",
    "lastname": "name of a person",
    "surname": "name of a person",
    "vorname": "name of a person",
    "nachname": "name of a person",
    "address": "postal address",
    "adresse": "postal address",
    "anschrift": "postal address",
    "birthdate": "birth",
    "geburtsdatum": "birth",
    "password": "secret",
    "passwort": "secret",
}

FREE_TEXT = _names(
    "note;notes;comment;comments;remark;remarks;message;messages;memo;feedback;bio;biography;transcript;"
    "notiz;notizen;bemerkung;bemerkungen;kommentar;kommentare;nachricht;remarque;remarques;commentaire;commentaires;"
    "observaciones;comentario;comentarios;nota;notas;osservazioni;commento;opmerking;opmerkingen;uwagi;poznamka"
)
