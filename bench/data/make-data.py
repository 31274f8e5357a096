#!/usr/bin/env python3
"""Makes two generations of a backup out of the files of pinned Debian packages, and what backup programs make of them.

usage: make-data.py PACKAGES OUT SEED FORM[,FORM...]

The first generation is the packages' files, a synthetic database (128 MiB of pages) and a log (48 MiB); the second is the
same tree with some 3 % of its files edited, cut, grown, deleted, renamed or new, 3 % of the database's pages rewritten and
the log grown by 5 %. Equal seeds give equal bytes. Forms, a file each generation (OUT/gen1.tar ...):
  tar    GNU tar, names sorted
  tap    the tar as a SIMH .tap file: records of 64 KiB between their lengths
  bb02   the tar in Bacula-like blocks: 64512 bytes, a header of 24 bytes, records of at most 64 KiB split over blocks
  smb    the tar in session-media blocks: 262144 bytes, a header of 96 bytes (see write_session_media)
OUT/MANIFEST names every file with its SHA-256. Forms that are there already are kept: remove OUT to make them again.
"""
import glob
import hashlib
import os
import random
import shutil
import struct
import subprocess
import sys
import zlib

FIRST_TIME = 1_700_000_000
SECOND_TIME = FIRST_TIME + 7 * 86400
PAGE_BYTES = 8192
PAGE_COUNT = 16384
REWRITTEN_PAGE_COUNT = 491
LOG_BYTES = 48 << 20
CHANGED_SHARE = 0.03
NEW_SHARE = 0.005
CHANGES = {'edit': 40, 'insert': 25, 'cut': 10, 'append': 10, 'delete': 10, 'rename': 5}


class Tree:
    """The files that are backed up, and the one source of chance that makes and changes them."""

    def __init__(self, folder, seed):
        self.folder = folder
        self.random = random.Random(seed)
        self.log_line_count = 0
        letters = b'abcdefghijklmnopqrstuvwxyz'
        # Made by make(), because the draws' order is part of the data.
        self.words = []
        self.letters = letters

    def make(self, packages):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        for package in sorted(glob.glob(os.path.join(packages, '*.deb'))):
            target = os.path.join(self.folder, os.path.basename(package).split('_')[0])
            os.makedirs(target)
            subprocess.check_call(['dpkg-deb', '-x', package, target])
        chance = self.random
        self.words = [
            bytes(chance.choice(self.letters) for _ in range(chance.randint(3, 10))) for _ in range(4096)
        ]
        os.makedirs(self.path('zz-db'))
        with open(self.path('zz-db/table.db'), 'wb') as file:
            for number in range(PAGE_COUNT):
                file.write(self.page(number, 1000 + number))
        with open(self.path('zz-db/app.log'), 'wb') as file:
            self.write_log(file, LOG_BYTES)
        for folder, subfolders, names in os.walk(self.folder):
            for name in subfolders + names:
                set_time(os.path.join(folder, name), FIRST_TIME)
        set_time(self.folder, FIRST_TIME)

    def path(self, name):
        return os.path.join(self.folder, name)

    def text(self, word_count):
        return b' '.join(self.random.choices(self.words, k=word_count))

    def page(self, number, log_sequence_number):
        chance = self.random
        page = bytearray(struct.pack('<IIQ', 0x50414745, number, log_sequence_number))
        while len(page) < PAGE_BYTES - 64:
            page += chance.randbytes(16) + self.text(12)
            page += struct.pack('<IQ', chance.getrandbits(20), chance.getrandbits(40))
        return bytes(page[: PAGE_BYTES - 64]) + bytes(64)

    def write_log(self, file, byte_count):
        chance = self.random
        written = 0
        while written < byte_count:
            line = b'%d.%06d host%d app[%d]: %s\n' % (
                FIRST_TIME + self.log_line_count,
                chance.randrange(10**6),
                chance.randrange(20),
                chance.randrange(30000),
                self.text(chance.randint(4, 16)),
            )
            file.write(line)
            written += len(line)
            self.log_line_count += 1

    def package_files(self):
        found = []
        for folder, subfolders, names in os.walk(self.folder):
            subfolders.sort()
            paths = (os.path.join(folder, name) for name in sorted(names))
            found += [path for path in paths if not os.path.islink(path)]
        return [path for path in found if '/zz-db/' not in path]

    def change(self):
        """The second generation, in place."""
        chance = self.random
        files = self.package_files()
        for path in chance.sample(files, int(len(files) * CHANGED_SHARE)):
            self.change_file(path)
        folders = sorted({os.path.dirname(path) for path in self.package_files()})
        for number in range(int(len(files) * NEW_SHARE)):
            path = os.path.join(chance.choice(folders), 'new-%05d.txt' % number)
            with open(path, 'wb') as file:
                file.write(self.text(int(chance.lognormvariate(7, 1.3))))
            set_time(path, SECOND_TIME)
        with open(self.path('zz-db/table.db'), 'r+b') as file:
            for number in chance.sample(range(PAGE_COUNT), REWRITTEN_PAGE_COUNT):
                file.seek(number * PAGE_BYTES)
                file.write(self.page(number, 90000 + number))
        with open(self.path('zz-db/app.log'), 'ab') as file:
            self.write_log(file, LOG_BYTES * 0.05)
        set_time(self.path('zz-db/table.db'), SECOND_TIME)
        set_time(self.path('zz-db/app.log'), SECOND_TIME)
        for folder, _, _ in os.walk(self.folder):
            set_time(folder, FIRST_TIME)

    def change_file(self, path):
        chance = self.random
        with open(path, 'rb') as file:
            content = bytearray(file.read())
        kind = chance.choices(list(CHANGES), list(CHANGES.values()))[0]
        if kind == 'delete':
            os.unlink(path)
            return
        if kind == 'rename':
            os.rename(path, path + '.moved')
            set_time(path + '.moved', SECOND_TIME)
            return
        if not content:
            kind = 'append'
        if kind == 'edit':
            for _ in range(chance.randint(1, 4)):
                at = chance.randrange(len(content))
                length = min(chance.randint(1, 200), len(content) - at)
                content[at : at + length] = chance.randbytes(length)
                # The log's clock starts over: so it was in the first data set, whose figures are compared with.
                self.log_line_count = length
        elif kind == 'insert':
            for _ in range(chance.randint(1, 3)):
                at = chance.randrange(len(content))
                content[at:at] = self.text(chance.randint(1, 60))
        elif kind == 'cut':
            at = chance.randrange(len(content))
            del content[at : at + chance.randint(1, 2000)]
        else:
            content += self.text(chance.randint(10, 400))
        os.unlink(path)
        with open(path, 'wb') as file:
            file.write(content)
        set_time(path, SECOND_TIME)


def set_time(path, seconds):
    os.utime(path, (seconds, seconds), follow_symlinks=False)


def write_tar(folder, target):
    options = ['--sort=name', '--format=gnu', '--numeric-owner', '--owner=0', '--group=0', '-b', '20']
    subprocess.check_call(['tar', *options, '-cf', target, '-C', folder, '.'])


def write_tap(source, target, _generation):
    while data := source.read(65536):
        length = struct.pack('<I', len(data))
        target.write(length + data + bytes(len(data) % 2) + length)
    target.write(struct.pack('<III', 0, 0, 0xFFFFFFFF))


def write_bb02(source, target, generation):
    """Blocks as Bacula's BB02: CRC32, size, number, 'BB02', session, session time; then records of 12 bytes and data."""
    block_bytes, header_bytes, record_header_bytes = 64512, 24, 12
    session, time = ((7, FIRST_TIME), (11, SECOND_TIME))[generation - 1]
    block = bytearray(header_bytes)
    number = 0

    def flush():
        nonlocal block, number
        body = bytes(block[header_bytes:]) + bytes(block_bytes - len(block))
        header = struct.pack('>II4sII', block_bytes, number, b'BB02', session, time)
        target.write(struct.pack('>I', zlib.crc32(header + body)) + header + body)
        block = bytearray(header_bytes)
        number += 1

    index = 0
    while data := source.read(65536):
        index += 1
        stream = 2
        left = memoryview(data)
        while len(left):
            room = block_bytes - len(block) - record_header_bytes
            if room <= 0:
                flush()
                continue
            block += struct.pack('>iiI', index, stream, len(left)) + left[:room]
            left = left[room:]
            if len(left):
                stream = -2
                flush()
    flush()


def write_session_media(source, target, generation):
    """Blocks of 256 KiB of no program that exists, to see what the store makes of one that it does not know.

    Header, little endian, 96 bytes: magic 'SMBK', version u16, header bytes u16, media id (16 bytes), session id
    (16 bytes), host name (24 bytes, padded by zeros), block number on the medium u64, block number in the session u32,
    seconds since 1970 u32, data bytes u32, flags u32 (1: last), reserved u32, Adler-32 of the data u32.
    The second session lies behind the first on the same medium; its clock advances with every 40 blocks.
    """
    block_bytes, header_bytes = 262144, 96
    medium = hashlib.md5(b'medium').digest()
    session = hashlib.md5(b'session %d' % generation).digest()
    first_number, time = ((1, FIRST_TIME), (200_001, SECOND_TIME))[generation - 1]
    number = 0
    data = source.read(block_bytes - header_bytes)
    while data:
        following = source.read(block_bytes - header_bytes)
        header = struct.pack(
            '<4sHH16s16s24sQIIIIII',
            *(b'SMBK', 3, header_bytes, medium, session, b'backup-client-17.example'),
            *(first_number + number, number, time + number // 40, len(data)),
            *(0 if following else 1, 0, zlib.adler32(data)),
        )
        target.write(header + data + bytes(block_bytes - header_bytes - len(data)))
        data = following
        number += 1


WRAPPERS = {'tap': write_tap, 'bb02': write_bb02, 'smb': write_session_media}


def make_tars(packages, out, seed):
    tree = Tree(os.path.join(out, 'tree'), seed)
    tree.make(packages)
    write_tar(tree.folder, os.path.join(out, 'gen1.tar.part'))
    tree.change()
    write_tar(tree.folder, os.path.join(out, 'gen2.tar.part'))
    shutil.rmtree(tree.folder)
    for generation in (1, 2):
        path = os.path.join(out, f'gen{generation}.tar')
        os.rename(path + '.part', path)


def wrap(out, form, generation):
    path = os.path.join(out, f'gen{generation}.{form}')
    if os.path.exists(path):
        return
    with open(os.path.join(out, f'gen{generation}.tar'), 'rb') as source, open(path + '.part', 'wb') as target:
        WRAPPERS[form](source, target, generation)
    os.rename(path + '.part', path)


def write_manifest(out, seed):
    lines = [f'seed {seed}\n']
    for name in sorted(name for name in os.listdir(out) if name.startswith('gen')):
        with open(os.path.join(out, name), 'rb') as file:
            digest = hashlib.file_digest(file, 'sha256').hexdigest()
        lines.append(f'{digest}  {name}\n')
    with open(os.path.join(out, 'MANIFEST'), 'w') as file:
        file.writelines(lines)
    print(''.join(lines), end='')


def main():
    packages, out, seed, forms = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4].split(',')
    os.makedirs(out, exist_ok=True)
    if not all(os.path.exists(os.path.join(out, f'gen{generation}.tar')) for generation in (1, 2)):
        make_tars(packages, out, seed)
    for form in forms:
        if form != 'tar':
            for generation in (1, 2):
                wrap(out, form, generation)
    write_manifest(out, seed)


main()
