"""Makes the golden files of this folder: small image files, and in golden.json what the reference makes of them.

    python make.py      # in this folder; needs transformers 5.23.0, torchvision 0.29.2 and Pillow 13.0.0
"""

import hashlib
import io
import json
import struct
import zlib

import numpy as np
import torch
from PIL import Image, ImageOps
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as tv
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor


def noise(seed, n):
    """n bytes: the top bytes of splitmix64 started at seed."""
    i = np.arange(1, n + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + i * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(56)).astype(np.uint8)


def raster(seed, h, w):
    return noise(seed, h * w * 3).reshape(h, w, 3)


def waves(h, w, seed=1):
    """A smooth coloured picture, which lossy formats keep small."""
    y, x = np.mgrid[0:h, 0:w]
    r = np.random.default_rng(seed)
    p = [sum(a * np.sin(b * x / 6 + c * y / 6 + d) for a, b, c, d in r.normal(size=(5, 4))) for _ in range(3)]
    return np.clip(128 + 40 * np.stack(p, -1), 0, 255).astype(np.uint8)


def sha(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def chunk(kind, body=b""):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(path, h, w, depth, colour, extra=b"", interlace=False):
    """A PNG of noise in a form that Pillow does not write."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    passes = [(0, 0, 1, 1)]
    if interlace:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows, seed = b"", 1
    for x0, y0, dx, dy in passes:
        nw, nh = (w - x0 + dx - 1) // dx, (h - y0 + dy - 1) // dy
        for _ in range(nh if nw > 0 else 0):
            seed += 1
            rows += bytes([seed % 5]) + noise(seed, (nw * samples * depth + 7) // 8).tobytes()
    head = struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, int(interlace))
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND"))


def sampled(subsampling, factors, h, w, size):
    """A JPEG whose luma has other sampling factors than Pillow can write: the header of one with as many blocks changed."""
    out = io.BytesIO()
    Image.fromarray(waves(*size)).save(out, "JPEG", quality=80, subsampling=subsampling)
    b = bytearray(out.getvalue())
    at = b.index(b"\xff\xc0")
    b[at + 5 : at + 9] = struct.pack(">HH", h, w)
    b[at + 11] = factors
    return bytes(b)


def exif(orientation):
    e = Image.Exif()
    e[0x0112] = orientation
    return e


def files():
    img = Image.fromarray(waves(33, 19))
    rgba = Image.fromarray(np.dstack([waves(33, 19), noise(3, 33 * 19).reshape(33, 19)]))
    gray = img.convert("L")
    img.save("lossy.webp", quality=75)
    rgba.save("lossy-alpha.webp", quality=75)
    Image.fromarray(waves(7, 2)).save("lossy-7x2.webp", quality=50)
    Image.fromarray(waves(1, 1)).save("lossy-1x1.webp", quality=50)
    small = Image.fromarray(waves(6, 9))
    small.save("lossless.webp", lossless=True)
    Image.fromarray(np.dstack([waves(6, 9), noise(4, 54).reshape(6, 9)])).save("lossless-alpha.webp", lossless=True, exact=True)
    small.save("exif6.webp", lossless=True, exif=exif(6))
    for o in range(1, 9):
        small.save(f"exif{o}.png", exif=exif(o))
    small.save("exif8.jpg", quality=90, subsampling=0, exif=exif(8))
    img.save("key.png", transparency=tuple(int(v) for v in waves(33, 19)[2, 3]))
    gray.save("gray-key.png", transparency=int(np.array(gray)[2, 3]))
    gray.convert("1").save("bit-key.png", transparency=0)
    rgba.quantize(40, method=Image.Quantize.FASTOCTREE).save("palette-alpha.png")
    for depth in (2, 4):
        png(f"gray{depth}.png", 5, 7, depth, 0)
    png("rgb16.png", 5, 7, 16, 2)
    png("graya16.png", 5, 7, 16, 4)
    png("rgba16.png", 5, 7, 16, 6)
    palette = chunk(b"PLTE", noise(9, 48).tobytes())
    png("palette4.png", 5, 7, 4, 3, palette + chunk(b"tRNS", bytes([0, 100, 255, 7])))
    png("palette2-short.png", 5, 7, 2, 3, chunk(b"PLTE", noise(9, 6).tobytes()))
    for colour in (0, 2, 6):
        png(f"interlaced{colour}.png", 13, 11, 8, colour, interlace=True)
    img.save("420.jpg", quality=80, subsampling=2)
    img.save("422.jpg", quality=80, subsampling=1)
    img.save("444.jpg", quality=80, subsampling=0)
    img.save("progressive.jpg", quality=80, progressive=True)
    img.convert("CMYK").save("cmyk.jpg", quality=80)
    img.save("rgb.jpg", quality=80, keep_rgb=True)
    gray.save("gray.jpg", quality=80)
    Image.fromarray(waves(9, 4)).save("420-narrow.jpg", quality=80, subsampling=2)
    for name, data in {"440.jpg": sampled("4:2:2", 0x12, 31, 15, (16, 32)), "411.jpg": sampled("4:2:0", 0x41, 15, 61, (32, 32))}.items():
        with open(name, "wb") as f:
            f.write(data)
    return ["lossy.webp", "lossy-alpha.webp", "lossy-7x2.webp", "lossy-1x1.webp", "lossless.webp", "lossless-alpha.webp", "exif6.webp",
            *(f"exif{o}.png" for o in range(1, 9)), "exif8.jpg", "key.png", "gray-key.png", "bit-key.png", "palette-alpha.png",
            "gray2.png", "gray4.png", "rgb16.png", "graya16.png", "rgba16.png", "palette4.png", "palette2-short.png",
            "interlaced0.png", "interlaced2.png", "interlaced6.png", "420.jpg", "422.jpg", "444.jpg", "progressive.jpg", "cmyk.jpg",
            "rgb.jpg", "gray.jpg", "420-narrow.jpg", "440.jpg", "411.jpg"]


def decoded(name):
    """Alpha dropped and as stored; then upright and on white. JPEGs get a file with the pixels instead of a hash."""
    stored = Image.open(name).convert("RGB")
    img = ImageOps.exif_transpose(Image.open(name))
    if "A" in img.getbands() or img.info.get("transparency") is not None:
        img = img.convert("RGBA")
        img = Image.alpha_composite(Image.new("RGBA", img.size, (255,) * 4), img)
    img = img.convert("RGB")
    entry = {"file": name, "width": img.width, "height": img.height}
    if name.endswith(".jpg"):
        img.save(name[:-4] + ".decoded.png", optimize=True)
        return entry
    return entry | {"stored_sha256": sha(np.array(stored)), "white_sha256": sha(np.array(img))}


# width, height, new width, new height
SIZES = [(1, 1, 3, 5), (2, 1, 1, 2), (5, 4, 4, 5), (9, 17, 17, 9), (31, 31, 32, 32), (32, 31, 32, 64), (64, 32, 32, 32), (33, 70, 32, 64),
         (50, 200, 52, 190), (51, 385, 136, 26), (75, 366, 28, 202), (78, 171, 71, 168), (97, 223, 96, 196), (100, 3, 300, 9),
         (120, 90, 288, 224), (131, 97, 320, 224), (150, 300, 101, 101), (200, 300, 151, 200), (200, 300, 150, 200), (200, 13, 64, 64),
         (240, 161, 320, 224), (255, 255, 31, 29), (300, 200, 288, 192), (311, 7, 20, 96), (321, 4, 390, 2), (640, 5, 64, 32),
         (700, 11, 23, 3), (1155, 40, 1152, 32), (1300, 9, 32, 256), (270, 585, 272, 584)]


def resized(i, w, h, nw, nh):
    a = raster(i, h, w)
    if i % 2:
        a = (a >> 7) * 255  # hard edges
    pil = np.asarray(Image.fromarray(a).resize((nw, nh), Image.BICUBIC))
    t = tv.resize(torch.from_numpy(a).permute(2, 0, 1), [nh, nw], interpolation=InterpolationMode.BICUBIC, antialias=True)
    return {"from": [w, h], "to": [nw, nh], "pillow": sha(pil), "torchvision": sha(t.permute(1, 2, 0))}


SETTINGS = [dict(patch_size=16, temporal_patch_size=2, merge_size=2, mean=[0.5] * 3, std=[0.5] * 3),
            dict(patch_size=14, temporal_patch_size=2, merge_size=2, mean=[0.48145466, 0.4578275, 0.40821073],
                 std=[0.26862954, 0.26130258, 0.27577711]),
            dict(patch_size=4, temporal_patch_size=3, merge_size=3, mean=[0.1, 0.2, 0.7], std=[0.3, 1.0, 0.9]),
            dict(patch_size=8, temporal_patch_size=1, merge_size=1, mean=[0.0] * 3, std=[1.0] * 3)]


def patches(i, s):
    limits = {"shortest_edge": 4000, "longest_edge": 10000}
    a = raster(100 + i, 70, 50)
    keys = {k: s[k] for k in ("patch_size", "temporal_patch_size", "merge_size")}
    entry = {**s, "min_pixels": limits["shortest_edge"], "max_pixels": limits["longest_edge"], "from": [50, 70]}
    for name, cls in (("pillow", Qwen2VLImageProcessorPil), ("torchvision", Qwen2VLImageProcessor)):
        out = cls(size=limits, image_mean=s["mean"], image_std=s["std"], **keys)(images=Image.fromarray(a), return_tensors="pt")
        entry["grid"] = out["image_grid_thw"][0].tolist()
        entry[name] = sha(out["pixel_values"].numpy().astype("<f4"))
    return entry


def main():
    golden = {"decoded": [decoded(n) for n in files()],
              "resized": [resized(i, *s) for i, s in enumerate(SIZES)],
              "patches": [patches(i, s) for i, s in enumerate(SETTINGS)]}
    lines = ",\n".join(json.dumps(k) + ": [\n " + ",\n ".join(map(json.dumps, v)) + "\n]" for k, v in golden.items())
    with open("golden.json", "w") as f:
        f.write("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
