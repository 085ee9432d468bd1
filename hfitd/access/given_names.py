"""Given names that many people have, in many languages: a hint that a column of unknown name holds names of people.

Our own list, without accents as well as with them where both are usual. Months, towns and everyday words that are
names too are left out.
"""

from __future__ import annotations

_NAMES = (
    "aaron abdul abdullah adam adrian agnes agnieszka ahmad ahmed alan albert alberto alejandro alessandra "
    "alessandro alex alexander alexandra alfonso alfred ali alice alicia alina allison amanda amelia amir amy ana "
    "anastasia anders andre andrea andreas andreea andrei andrew andrzej andré angela angelika anita ann anna "
    "anne annette annika anthony antoine antonia antonio ariana arthur arturo astrid ayse barbara bartosz "
    "beatrice beatriz benjamin bernard bernd bettina betty birgit bjorn björn bogdan brandon brenda brian bridget "
    "bruce camille carl carla carlos carmen carol caroline catherine cecilia charles charlotte chloe chloé "
    "christian christina christine christophe christopher cindy claire claude claudia clement craig cristina "
    "cynthia daniel daniela danielle david deborah debra denise dennis diana diane diego dieter dirk dmitry "
    "dominik dominique donald donna dorothy douglas eduardo edward eleanor elena elisabeth elizabeth ella ellen "
    "emily emma eric erik erika ernst ester eugene eva evelyn fatima felix fernando filip florian frances "
    "francesca francesco francisco francois frank franz françois fred frederic gabriel gabriela gary george "
    "georgia gerald gerhard giovanni giulia giuseppe gloria gonzalo greg gregory guillaume gustav günther hannah "
    "hans harald harold hassan heather heidi heike heinz helen helena helga henrik henry herbert hugo hélène "
    "ibrahim igor ines ingrid irene irina isabel isabella ivan jack jackie jacob jacqueline jakub james jan jana "
    "jane janet janice jason javier jean jeffrey jennifer jens jeremy jessica joachim joan joanna joao johan "
    "johanna johannes john jonas jonathan jorge jose josef joseph joshua josé joyce juan juana judith judy julia "
    "julian julie jurgen justin jürgen karen karin karl katarina katarzyna katharina katherine kathleen kathryn "
    "katja keith kelly kenneth kerstin kevin kim klaus kristin kristina krzysztof larry lars laura lauren laurent "
    "lea lena leo leon leonardo leonie linda lisa louis louise luca lucas lucia lucía luis luisa lukas léa maciej "
    "magdalena malcolm manfred manuel manuela marc marcel marcin marco marek margaret margarita maria marie "
    "marilyn marina mario marion mariusz mark marta martha martin martina mary maría mateusz mathieu matteo "
    "matthew matthias maurice max maximilian mehmet melanie melissa michael michaela michal michel michele "
    "michelle miguel mike mikhail mohamed mohammad mohammed monica monika monique muhammad mustafa nancy natalia "
    "natalie nathalie nathan nicholas nicolas nicole nikita nikola nikolai nina noah olga oliver olivia oscar "
    "otto pablo pamela paola paolo pascal patricia patrick paul paula pauline pawel pedro peter petra philip "
    "philippe pierre piotr rachel rafael raj ralf ralph ramon raquel raymond rebecca regina renate rene rené "
    "ricardo richard rita robert roberto robin roger roland roman ronald rosa rosemary roy ruben rudolf russell "
    "ruth ryan sabine sabrina samantha samuel sandra sara sarah scott sebastian sergei sergey sergio sharon "
    "shirley silvia simon simone sofia sofía sonia sonja sophia sophie stefan stefanie stella stephanie stephen "
    "steven stuart stéphane susan susanne suzanne sven svetlana sylvia sylvie sébastien sören tadeusz tamara "
    "tanja tatiana teresa terry theodor theresa thierry thomas tim timothy tina tobias tom tomas tomasz toni tony "
    "torsten tracy ulrich ulrike ursula uwe valentina valerie vanessa vera veronica victor victoria vincent "
    "virginia vladimir volker walter waltraud wei werner wilhelm william willie winfried wojciech wolfgang xavier "
    "yasmin yusuf yves yvonne zoe zofia"
)
GIVEN_NAMES: frozenset[str] = frozenset(_NAMES.split())
