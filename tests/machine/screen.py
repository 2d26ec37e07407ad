"""What the machine's screen shows: a picture of it for people, its text for tests.

Text is read in two ways, neither of which guesses. In VGA text mode the characters themselves lie in the card's memory
at 0xb8000. In a graphics mode each 8x16 cell is compared, pixel for pixel, with cells whose character is known: learn()
takes those from a machine that tells the same screen's text over its serial line.
"""

import struct
import zlib

TEXT_MEMORY = 0xb8000
TEXT_BYTES = 0x8000
TEXT_COLUMNS = 80
CELL_WIDTH, CELL_HEIGHT = 8, 16


def decode_text_memory(memory):
    """Lines of 80 characters of a VGA text buffer; the card's whole window, since the kernel scrolls by moving in it."""
    characters = memory[0::2].decode("cp437")
    return "\n".join(characters[i:i + TEXT_COLUMNS].replace("\0", " ").rstrip()
                     for i in range(0, len(characters), TEXT_COLUMNS))


class Picture:
    """An RGB picture, as QEMU's screendump writes it (binary PPM)."""

    def __init__(self, ppm):
        magic, size, depth, pixels = ppm.split(b"\n", 3)
        if magic != b"P6" or depth != b"255":
            raise ValueError("not a binary PPM with 8 bits a colour")
        self.width, self.height = map(int, size.split())
        self.pixels = pixels
        if len(pixels) != self.width * self.height * 3:
            raise ValueError(f"PPM of {self.width}x{self.height} holds {len(pixels)} bytes")

    def cropped(self, width, height):
        """The upper left part of the picture."""
        rows = (self.pixels[y * self.width * 3:(y * self.width + width) * 3] for y in range(height))
        return Picture(b"P6\n%d %d\n255\n" % (width, height) + b"".join(rows))

    def png(self):
        """The same picture as PNG: by palette when it has at most 256 colours, as a console always has."""
        triples = [self.pixels[i:i + 3] for i in range(0, len(self.pixels), 3)]
        palette = sorted(set(triples))
        if len(palette) <= 256:
            depth = next(d for d in (1, 2, 4, 8) if len(palette) <= 1 << d)
            index = {colour: i for i, colour in enumerate(palette)}
            rows = [_pack([index[c] for c in triples[y * self.width:(y + 1) * self.width]], depth)
                    for y in range(self.height)]
            head, chunks = (depth, 3), [(b"PLTE", b"".join(palette))]
        else:
            stride = self.width * 3
            rows = [self.pixels[y * stride:(y + 1) * stride] for y in range(self.height)]
            head, chunks = (8, 2), []
        chunks.insert(0, (b"IHDR", struct.pack(">IIBBBBB", self.width, self.height, *head, 0, 0, 0)))
        chunks.append((b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows), 9)))
        chunks.append((b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks)

    def cells(self):
        """Rows of 8x16 cells, each as bits: 1 where a pixel differs from the cell's most common colour."""
        return [[self._cell(x, y) for x in range(0, self.width - CELL_WIDTH + 1, CELL_WIDTH)]
                for y in range(0, self.height - CELL_HEIGHT + 1, CELL_HEIGHT)]

    def _cell(self, x, y):
        rows = []
        for line in range(y, y + CELL_HEIGHT):
            start = (line * self.width + x) * 3
            rows.append(self.pixels[start:start + CELL_WIDTH * 3])
        whole = b"".join(rows)
        if whole == whole[:3] * (CELL_WIDTH * CELL_HEIGHT):
            return BLANK
        colours = [whole[i:i + 3] for i in range(0, len(whole), 3)]
        paper = max(set(colours), key=colours.count)
        return bytes(colour != paper for colour in colours)


BLANK = bytes(CELL_WIDTH * CELL_HEIGHT)


def _pack(indexes, depth):
    """One row of palette indexes in PNG's packing, leftmost pixel in the high bits."""
    if depth == 8:
        return bytes(indexes)
    each = 8 // depth
    indexes = indexes + [0] * (-len(indexes) % each)
    row = bytearray()
    for i in range(0, len(indexes), each):
        byte = 0
        for value in indexes[i:i + each]:
            byte = byte << depth | value
        row.append(byte)
    return bytes(row)


class Font:
    """Which character a cell of a graphics console is, learnt from screens whose text is known."""

    def __init__(self):
        self._character = {BLANK: " "}

    def learn(self, picture, lines):
        """lines: the text of that very screen, row by row (what /dev/vcs1 held when the picture was taken)."""
        for row, line in zip(picture.cells(), lines):
            for cell, character in zip(row, line):
                if character != " ":
                    self._character.setdefault(cell, character)

    def read(self, picture):
        """The screen's lines; a cell nobody has shown us is '?'."""
        return ["".join(self._character.get(cell, "?") for cell in row).rstrip() for row in picture.cells()]
