"""Names of nobody and nowhere: given names, parts of the names of families, streets and towns, all our own."""

from __future__ import annotations

_GIVEN = (
    "Ada Alba Alma Alvin Amos Anja Ansel Arno Asta Axel Balint Bela Berit Bodo Britt Bruno Calla Carlo Celia Ciaran"
    " Clara Cosmo Dagny Dario Delia Dora Edda Eike Elio Elsa Emil Enno Erna Esra Ewan Fabio Fenna Fiona Flora Frieda"
    " Gesa Gilda Greta Gunnar Hanna Hedda Helge Henk Hilda Ida Ilka Imre Inga Irma Ivo Jana Jasper Jolan Jonna Jorin"
    " Kaja Karla Kenji Kira Klara Knut Lana Lasse Lenka Levin Liana Linus Lotte Luca Malte Manon Mara Matti Meike"
    " Milan Mira Nadia Nele Nils Noor Nora Odin Olga Orla Oskar Pablo Petra Pippa Quinn Rafa Ragna Remo Rika Romy"
    " Rufus Sanna Selma Senta Silas Sonja Sven Talia Tamsin Tilda Timo Tjark Ulla Uma Vanja Vera Vito Wanda Wim Xenia"
    " Yara Yorick Zelda Zoltan"
)
_STEMS = (
    "Alder Amber Ash Barley Birch Bram Briar Brook Cedar Chalk Clay Clover Cold Crane Dale Dove East Elder Elm Fair"
    " Fern Flint Gold Gorse Grain Hart Haw Hazel Heath Holm Hop Iron Kel Lark Lin Long Maple Marsh Mead Mill Moss"
    " North Oak Otter Pine Quill Raven Reed Rook Rose Sand Sedge Silver Sloe South Stone Swan Thorn Wald West Willow"
    " Wren Yarrow"
)
_ENDS = "bank beck berg bridge by croft dale den feld field ford gate ham holt hurst land ley mann mere mont stead ton"
_STREETS = (
    "Acorn Anvil Apple Arrow Aspen Badger Baker Barn Basket Beacon Bell Berry Bobbin Bramble Button Candle Cart Cherry"
    " Chestnut Cider Clock Cobble Copper Cotton Cricket Daisy Drum Feather Ferry Fiddle Finch Fox Garden Goose Granite"
    " Harbour Harvest Hedge Heron Honey Ivy Juniper Kettle Kite Ladder Lantern Lemon Lilac Linden Loom Magpie Meadow"
    " Mint Mulberry Needle Orchard Paper Parsley Pebble Pepper Plum Poplar Potter Quarry Quince Ribbon Robin Saddle"
    " Saffron Sage Sparrow Spruce Starling Sundial Thimble Thistle Timber Tulip Velvet Walnut Weaver Windmill Yew"
)
_WAYS = "Alley Avenue Close Court Drive Lane Park Path Place Quay Rise Road Row Square Street Terrace Walk Way"
_TOWN_STARTS = (
    "Alden Amber Arden Birken Bracken Calder Carrow Dunmer Elding Ember Falken Farring Gallen Garn Halder Haven Iver"
    " Jessen Karrow Kester Lorren Lund Maren Merrow Nessel Norring Oaken Orven Peller Quarren Raven Rowan Salter"
    " Selden Tarn Torren Ulver Varn Velder Wester Winder Wolden Yarren Zelmer"
)
_TOWN_ENDS = "abbey bay brook cliff cove dorf fall fort garth grove haven hill holm mark mouth port ridge stad vale"

GIVEN: tuple[str, ...] = tuple(_GIVEN.split())
STEMS: tuple[str, ...] = tuple(_STEMS.split())
ENDS: tuple[str, ...] = tuple(_ENDS.split())
LONGEST_GIVEN = max(map(len, GIVEN))
LONGEST_FAMILY = max(map(len, STEMS)) + max(map(len, ENDS))
STREETS: tuple[str, ...] = tuple(_STREETS.split())
WAYS: tuple[str, ...] = tuple(_WAYS.split())
TOWN_STARTS: tuple[str, ...] = tuple(_TOWN_STARTS.split())
TOWN_ENDS: tuple[str, ...] = tuple(_TOWN_ENDS.split())
LONGEST_STREET = max(map(len, STREETS)) + 1 + max(map(len, WAYS))
LONGEST_TOWN = max(map(len, TOWN_STARTS)) + max(map(len, TOWN_ENDS))
