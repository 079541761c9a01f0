"""A source of one's own, in the fifteen lines that it takes: the squares of the first numbers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Squares:
    length: int

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        if not 0 <= index < self.length:
            raise IndexError(f"index {index} is outside of {self!r}")
        return {"number": index, "square": index * index}

    def describe(self, index):
        return f"the square of {index}"

    def fingerprint(self):
        return f"Squares[{self.length}]"
