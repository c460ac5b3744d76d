"""A fingerprint of a data set's images, stored in the model card: a Bloom filter over hashes of their pixels.

It answers whether an image was in the data set that a model was trained on, without storing any image. A
Bloom filter (Bloom 1970, https://doi.org/10.1145/362686.362692) never misses an image that was added, and
takes another image for one of them with a small probability. The hash is of the decoded pixels: an image that
was resized, windowed or compressed again is another image.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import ModelError

if TYPE_CHECKING:
    from ..data.image import Gray

FALSE_POSITIVE_RATE = 0.01
MAX_BYTES = 112_500
"""150,000 characters in base64; enough for 93,000 images at the rate above."""

_DIGEST_BYTES = 16
_MIN_BYTES = 128
_MAX_FUNCTIONS = 7


def hash_pixels(pixels: Gray) -> bytes:
    """Hash the decoded pixels of an image, uint8 of shape (height, width): 16 bytes."""
    height, width = pixels.shape
    digest = hashlib.blake2b(f"{height}x{width}:".encode(), digest_size=_DIGEST_BYTES)
    digest.update(pixels.tobytes())
    return digest.digest()


@dataclass(frozen=True)
class Fingerprint:
    """A Bloom filter over hashes of images.

    Attributes
    ----------
    images : int
        Number of different images in it.
    false_positive_rate : float
        Probability that an image which is not in it is taken for one that is: 1 % for up to 93,000 images,
        less for very few, and more for more images, since the size is limited.
    hash_functions : int
        Bits that each image sets.
    bits : bytes
        The filter; bit `n` is bit `n % 8` of byte `n // 8`.
    """

    images: int
    false_positive_rate: float
    hash_functions: int
    bits: bytes

    def __post_init__(self) -> None:
        """Check the fields.

        Raises
        ------
        ModelError
            If there is no bit or no hash function.
        """
        if not self.bits or self.hash_functions < 1:
            raise ModelError("model card: the fingerprint of the training images is empty")

    @classmethod
    def of(cls, hashes: Collection[bytes], *, max_bytes: int = MAX_BYTES) -> Fingerprint:
        """Build the fingerprint of images from their hashes (see `hash_pixels`).

        Parameters
        ----------
        hashes : collection of bytes
            Repeated hashes count once.
        max_bytes : int
            Largest size of the filter.
        """
        distinct = set(hashes)
        count = max(1, len(distinct))
        # The size for a false positive rate p is n ln(1 / p) / ln(2)^2 bits, with size / n * ln(2) functions.
        optimal_bits = count * math.log(1 / FALSE_POSITIVE_RATE) / math.log(2) ** 2
        size = min(max_bytes, max(_MIN_BYTES, math.ceil(optimal_bits / 8)))
        functions = min(_MAX_FUNCTIONS, max(1, round(8 * size / count * math.log(2))))
        bits = bytearray(size)
        for image_hash in distinct:
            for position in _positions(image_hash, functions, 8 * size):
                bits[position // 8] |= 1 << position % 8
        rate = (1 - math.exp(-functions * count / (8 * size))) ** functions
        return cls(len(distinct), rate, functions, bytes(bits))

    def contains(self, pixels: Gray) -> bool:
        """Return whether an image is in the fingerprint; true for all that are, rarely for others."""
        return self.contains_hash(hash_pixels(pixels))

    def contains_hash(self, image_hash: bytes) -> bool:
        """Return whether an image is in the fingerprint, by its hash; see `contains`."""
        positions = _positions(image_hash, self.hash_functions, 8 * len(self.bits))
        return all(self.bits[position // 8] >> position % 8 & 1 for position in positions)


def _positions(image_hash: bytes, functions: int, size: int) -> Iterator[int]:
    """Derive all positions from two halves of one hash (Kirsch and Mitzenmacher 2006)."""
    first = int.from_bytes(image_hash[:8], "little")
    # An odd step visits different positions whatever the size.
    step = int.from_bytes(image_hash[8:], "little") | 1
    for number in range(functions):
        yield (first + number * step) % size
