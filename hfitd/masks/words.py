"""Names of nobody: given names and parts of family names, written for this project."""

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

GIVEN: tuple[str, ...] = tuple(_GIVEN.split())
STEMS: tuple[str, ...] = tuple(_STEMS.split())
ENDS: tuple[str, ...] = tuple(_ENDS.split())
LONGEST_GIVEN = max(map(len, GIVEN))
LONGEST_FAMILY = max(map(len, STEMS)) + max(map(len, ENDS))
