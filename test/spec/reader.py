"""A second reader of the Tidegate protocol, written from the pages of proto-spec and from nothing else.

It shows that the pages are enough: whatever is guessed here is a fault there. It is short rather than fast, and needs
Python 3.9 with msgpack (Debian: python3-msgpack). `replay.py` runs it over the vectors, `client.py` sends with it.
"""

import base64
import binascii
import decimal
import gzip
import hashlib
import hmac
import itertools
import re
import struct
import zlib

import msgpack

INTEGER_MAX = 2**52 - 1
SEQUENCE_MAX = 2**53 - 1
CODE_END = 2**53

BODY_INFLATED_MAX = 33_554_432
EVENTS_MAX = 65_536
CELLS_MAX = 2_097_152
COLUMNS_MAX = 512
SENSORS_MAX = 4_096
TEXTS_MAX = 65_536
TEXTS_BYTES_MAX = 4_194_304
GAPS_MAX = 16
VALUES_MAX = 131_072
DEPTH_MAX = 5
MAP_MAX = 512
FIELDS_MAX = 128
NAME_BYTES_MAX = 128
TEXT_BYTES_MAX = 4_096
SCALE_MAX = 22
NUDGE_MAX = 1_023
PLACES_MAX = 12
DENOMINATOR_MAX = 1_024

MEASURE, TEXT, FLAG = 0, 1, 2


class Refused(Exception):
    """What is read is not what it should be; `code` is one of those in README.md, "Error codes"."""

    def __init__(self, code, why):
        super().__init__(f"{code}: {why}")
        self.code = code


def malformed(why):
    return Refused("batch-malformed", why)


def bad_column(why):
    return Refused("batch-column", why)


def beyond(why):
    return Refused("batch-limit", why)


# batch.md, "Structure"


def decode_batch(data):
    """The batch as a dict: the keys of its map, but `events` (see `decode_columns`) for `columns`."""
    if len(data) > BODY_INFLATED_MAX:
        raise beyond("bytes")
    batch = unpack(data)
    if not isinstance(batch, dict):
        raise malformed("a batch is a map")
    version = batch.get("v")
    if not is_whole(version) or version != 1:
        raise Refused("batch-version", repr(version))
    for key in ("stream", "first", "count", "sent", "queue", "gaps", "columns"):
        if key not in batch:
            raise malformed(f"no {key}")
    if not isinstance(batch["stream"], bytes) or len(batch["stream"]) != 16:
        raise malformed("stream")
    first = whole(batch["first"], 1, SEQUENCE_MAX, "first")
    count = whole(batch["count"], 0, SEQUENCE_MAX, "count")
    if count > EVENTS_MAX:
        raise beyond("events")
    if first + count - 1 > SEQUENCE_MAX:
        raise malformed("sequences end at 2^53 - 1")
    events = decode_columns(batch["columns"])
    if len(events) != count:
        raise malformed("count is not that of the columns")
    return {
        "stream": batch["stream"],
        "first": first,
        "count": count,
        "sent": whole(batch["sent"], -INTEGER_MAX, INTEGER_MAX, "sent"),
        "queue": [whole(part, 0, SEQUENCE_MAX, "queue") for part in listed(batch["queue"], 4, "queue")],
        "gaps": decode_gaps(batch["gaps"]),
        "events": events,
    }


def decode_gaps(element):
    if not isinstance(element, list):
        raise malformed("gaps")
    if len(element) > GAPS_MAX:
        raise beyond("gaps")
    gaps = []
    for gap in element:
        first, last, reason, sums = listed(gap, 4, "gap")
        first = whole(first, 1, SEQUENCE_MAX, "gap")
        last = whole(last, first, SEQUENCE_MAX, "gap")
        if reason not in ("quota", "damage"):
            raise malformed("reason")
        if sums is not None:
            if not isinstance(sums, dict):
                raise malformed("sums")
            for name, text in sums.items():
                check_name(name)
                if not is_decimal(text):
                    raise malformed("sum")
        gaps.append([first, last, reason, sums])
    return gaps


def unpack(data):
    """MessagePack with the rules at the end of "Structure"."""
    try:
        whole_value = msgpack.unpackb(data, raw=False, strict_map_key=True)
    except Exception as error:  # msgpack has a dozen kinds of them
        raise malformed(f"MessagePack: {error}") from error
    count = 0
    todo = [(whole_value, 0)]
    while todo:
        value, depth = todo.pop()
        count += 1
        if count > VALUES_MAX:
            raise beyond("values")
        if isinstance(value, str):
            check_text(value)
        elif isinstance(value, (list, dict)):
            if value and depth >= DEPTH_MAX:
                raise malformed("depth")
            if isinstance(value, dict):
                if len(value) > MAP_MAX:
                    raise malformed("entries of a map")
                for key in value:
                    if not isinstance(key, str) or key == "__proto__":
                        raise malformed("key")
                todo.extend((key, depth + 1) for key in value)
                value = value.values()
            todo.extend((inner, depth + 1) for inner in value)
        elif not (value is None or isinstance(value, (bool, int, float, bytes))):
            raise malformed("extension type")
    return whole_value


def is_whole(value):
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def whole(value, low, high, what):
    if not is_whole(value) or not low <= value <= high:
        raise malformed(what)
    return int(value)


def listed(value, length, what):
    if not isinstance(value, list) or len(value) != length:
        raise malformed(what)
    return value


def packed(value, what):
    if not isinstance(value, bytes):
        raise malformed(what)
    return value


# batch.md, "Events"


def check_text(text):
    # msgpack has refused what is not UTF-8.
    if text.startswith("\ufeff") or len(text.encode()) > TEXT_BYTES_MAX:
        raise malformed("text")


def check_name(name):
    if not isinstance(name, str) or not 1 <= len(name.encode()) <= NAME_BYTES_MAX or name.startswith("\ufeff"):
        raise malformed("name")
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in name):
        raise malformed("name")


# batch.md, "Measures are decimals"

EXACT = decimal.Context(prec=2_000, traps=[decimal.Inexact, decimal.InvalidOperation, decimal.Overflow])


def decimal_of(value):
    """The shortest decimal that reads back as the same double: Python's repr."""
    return decimal.Decimal(repr(value))


def exact_sum(values):
    total = decimal.Decimal(0)
    for value in values:
        total = EXACT.add(total, decimal_of(value))
    return decimal_text(total)


def decimal_text(number):
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def is_decimal(text):
    return isinstance(text, str) and re.fullmatch(r"-?[0-9]{1,400}(\.[0-9]{1,400})?", text) is not None


# batch.md, "Columns"


def decode_columns(element):
    """A list of events in sequence order, each `(ts, sensor, fields)` with a dict of fields."""
    count, sensors, order, times, fields = listed(element, 5, "columns")
    count = whole(count, 0, SEQUENCE_MAX, "count")
    if count > EVENTS_MAX:
        raise beyond("events")
    if not isinstance(sensors, list):
        raise malformed("sensors")
    if len(sensors) > SENSORS_MAX:
        raise beyond("sensors")
    for sensor in sensors:
        check_name(sensor)
    if len(set(sensors)) != len(sensors):
        raise malformed("a sensor twice")
    if count > 0 and not sensors:
        raise malformed("events without a sensor")
    if order is None:
        if len(sensors) > 1:
            raise malformed("no order")
        places = [0] * count
    else:
        places = unpack_integers(packed(order, "order"), count)
    if any(not 0 <= place < len(sensors) for place in places):
        raise bad_column("order")
    totals = [0] * len(sensors)
    for place in places:
        totals[place] += 1
    if 0 in totals:
        raise malformed("a sensor without an event")
    next_row = [0, *itertools.accumulate(totals)]
    rows = []
    for place in places:
        rows.append(next_row[place])
        next_row[place] += 1
    ts = unpack_integers(packed(times, "times"), count)
    values = decode_fields(fields, count)
    return [(ts[row], sensors[place], values[row]) for place, row in zip(places, rows)]


def decode_fields(fields, count):
    """For each row a dict of its fields."""
    if not isinstance(fields, list):
        raise malformed("fields")
    if len(fields) > COLUMNS_MAX:
        raise beyond("columns")
    rows = [{} for _ in range(count)]
    seen = set()
    cells = texts = text_bytes = 0
    for field in fields:
        if not isinstance(field, list) or len(field) < 3:
            raise malformed("field")
        name, kind, presence, *parts = field
        check_name(name)
        if name == "__proto__":
            raise malformed("field name")
        kind = whole(kind, MEASURE, FLAG, "kind")
        if (name, kind) in seen:
            raise malformed("two columns of one name and kind")
        seen.add((name, kind))
        if presence is None:
            having = list(range(count))
        else:
            having = [row for row, bit in enumerate(unpack_bits(packed(presence, "presence"), count)) if bit]
        if not having:
            raise malformed("a column without a value")
        cells += len(having)
        if cells > CELLS_MAX:
            raise beyond("values")
        if kind == MEASURE:
            values = unpack_measures(parts, len(having))
        elif kind == TEXT:
            dictionary, indices = listed(parts, 2, "text column")
            if not isinstance(dictionary, list) or not all(isinstance(text, str) for text in dictionary):
                raise malformed("dictionary")
            texts += len(dictionary)
            text_bytes += sum(len(text.encode()) for text in dictionary)
            if texts > TEXTS_MAX or text_bytes > TEXTS_BYTES_MAX:
                raise beyond("texts")
            places = unpack_integers(packed(indices, "indices"), len(having))
            if any(not 0 <= place < len(dictionary) for place in places):
                raise bad_column("indices")
            values = [dictionary[place] for place in places]
        else:
            (flags,) = listed(parts, 1, "flag column")
            values = [bool(bit) for bit in unpack_bits(packed(flags, "flags"), len(having))]
        for row, value in zip(having, values):
            if name in rows[row]:
                raise malformed("a field twice")
            rows[row][name] = value
    if any(not 1 <= len(row) <= FIELDS_MAX for row in rows):
        raise malformed("fields of an event")
    return rows


# batch.md, "Bits"


def unpack_bits(data, count):
    if len(data) != (count + 7) // 8:
        raise bad_column("bits")
    bits = [data[i // 8] >> (i % 8) & 1 for i in range(8 * len(data))]
    if any(bits[count:]):
        raise bad_column("bits past the end")
    return bits[:count]


# batch.md, "Integer columns"


def unpack_integers(data, count):
    if not data:
        raise bad_column("no first byte")
    order, layout = divmod(data[0], 16)
    if order > 2 or layout not in (0, 1, 2, 3, 4, 5, 6, 7, 15):
        raise bad_column("order or layout")
    at = 1
    seed_count = min(order, count)
    seeds = []
    for _ in range(seed_count):
        code, at = varint(data, at)
        seeds.append(unzigzag(code))
    rest = count - seed_count
    if layout == 0:
        codes = [0] * rest
    elif layout == 15:
        codes = []
        for _ in range(rest):
            code, at = varint(data, at)
            codes.append(code)
    else:
        if len(data) - at < layout * rest:
            raise bad_column("planes cut short")
        codes = [sum(data[at + plane * rest + i] << (8 * plane) for plane in range(layout)) for i in range(rest)]
        at += layout * rest
    if at != len(data):
        raise bad_column("too many bytes")
    if any(code >= CODE_END for code in codes):
        raise bad_column("code")
    residuals = [unzigzag(code) for code in codes]
    if order == 0 or count == 0:
        values = residuals
    elif order == 1:
        values = accumulated(seeds[0], residuals)
    elif count == 1:
        values = seeds
    else:
        values = accumulated(seeds[0], accumulated(seeds[1], residuals))
    if any(abs(value) > INTEGER_MAX for value in values):
        raise bad_column("integer out of range")
    return values


def accumulated(start, differences):
    values = [start]
    for difference in differences:
        values.append(values[-1] + difference)
    return values


def varint(data, at):
    code = 0
    for i in range(8):
        if at >= len(data):
            raise bad_column("varint cut short")
        byte = data[at]
        at += 1
        code |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            if code >= CODE_END:
                raise bad_column("code")
            return code, at
    raise bad_column("varint of more than 8 bytes")


def unzigzag(code):
    return code // 2 if code % 2 == 0 else -(code + 1) // 2


# batch.md, "Measure columns"


def unpack_measures(parts, count):
    if len(parts) == 1:
        return unpack_doubles(packed(parts[0], "doubles"), count)
    scale, mantissas, nudges, positions, doubles = listed(parts, 5, "measure column")
    scale = whole(scale, 0, SCALE_MAX, "scale")
    if (positions is None) != (doubles is None):
        raise malformed("positions and doubles")
    quotients = [float(mantissa) / float(10**scale) for mantissa in unpack_mantissas(mantissas, count)]
    values = quotients
    if nudges is not None:
        values = [nudged(q, nudge) for q, nudge in zip(quotients, unpack_integers(packed(nudges, "nudges"), count))]
    if positions is not None:
        if len(packed(doubles, "doubles")) % 8 != 0 or len(doubles) // 8 > count:
            raise bad_column("odd values")
        places = unpack_integers(packed(positions, "positions"), len(doubles) // 8)
        if any(not 0 <= place < count for place in places) or any(b <= a for a, b in zip(places, places[1:])):
            raise bad_column("positions")
        for place, value in zip(places, unpack_doubles(doubles, len(places))):
            values[place] = value
    return values


def unpack_mantissas(part, count):
    if isinstance(part, bytes):
        return unpack_integers(part, count)
    places, wholes, numerators, denominators, corrections = listed(part, 5, "fractions")
    unit = 10 ** whole(places, 1, PLACES_MAX, "places")
    wholes, numerators, denominators = (
        unpack_integers(packed(each, "fractions"), count) for each in (wholes, numerators, denominators)
    )
    corrections = [0] * count if corrections is None else unpack_integers(packed(corrections, "corrections"), count)
    mantissas = []
    for w, a, d, correction in zip(wholes, numerators, denominators, corrections):
        if not 0 <= a < d <= DENOMINATOR_MAX:
            raise bad_column("improper fraction")
        if abs(w * unit) > INTEGER_MAX:
            raise bad_column("whole out of range")
        mantissas.append(w * unit + (2 * a * unit + d) // (2 * d) + correction)
    if any(abs(mantissa) > INTEGER_MAX for mantissa in mantissas):
        raise bad_column("mantissa out of range")
    return mantissas


def nudged(quotient, nudge):
    if abs(nudge) > NUDGE_MAX:
        raise bad_column("nudge")
    if nudge == 0:
        return quotient
    (pattern,) = struct.unpack("<Q", struct.pack("<d", quotient))
    return finite(struct.pack("<Q", (pattern + nudge) % 2**64))


def unpack_doubles(data, count):
    if len(data) != 8 * count:
        raise bad_column("doubles")
    return [finite(data[i::count]) for i in range(count)]


def finite(little_endian):
    (value,) = struct.unpack("<d", little_endian)
    if value != value or value in (float("inf"), float("-inf")):
        raise bad_column("a measure is finite")
    return value


# batch.md, "Compression"


def inflate(encoding, body, bytes_max=BODY_INFLATED_MAX):
    """Only what the standard library has: gzip and identity."""
    if encoding == "identity":
        data = body
    elif encoding == "gzip":
        data = gunzip(body, bytes_max)
    else:
        raise Refused("encoding-unsupported", encoding)
    if len(data) > bytes_max:
        raise Refused("body-too-large", encoding)
    return data


def gunzip(body, bytes_max):
    data = b""
    rest = body
    while True:
        member = zlib.decompressobj(wbits=31)
        try:
            data += member.decompress(rest, bytes_max + 1 - len(data))
        except zlib.error as error:
            raise Refused("body-corrupt", str(error)) from error
        if len(data) > bytes_max:
            raise Refused("body-too-large", "gzip")
        if not member.eof:
            raise Refused("body-corrupt", "cut short")
        rest = member.unused_data
        if not rest:
            return data


def compress(encoding, data):
    return gzip.compress(data, mtime=0) if encoding == "gzip" else data


# signing.md

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


def parse_credential(text):
    """`(key id, secret)`, or None."""
    key_id, dot, encoded = text.rpartition(".")
    if not dot or not ID.fullmatch(key_id) or not re.fullmatch(r"[A-Za-z0-9_-]*", encoded):
        return None
    try:
        secret = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except binascii.Error:
        return None
    if base64.urlsafe_b64encode(secret).rstrip(b"=").decode() != encoded or not 16 <= len(secret) <= 128:
        return None
    return key_id, secret


def parse_key_ids(header):
    """The ids of `X-Key-Id`, or None."""
    ids = [part.strip(" \t") for part in header.split(",")]
    return ids if len(ids) <= 2 and all(ID.fullmatch(key_id) for key_id in ids) else None


def parse_signatures(header):
    """The hex digits of `X-Signature`, or None."""
    if len(header) > 1_024:
        return None
    values = [part.strip(" \t") for part in header.split(",")]
    known = [value for value in values if value.startswith("v1=")]
    if not 1 <= len(known) <= 4 or not all(re.fullmatch(r"v1=[0-9a-f]{64}", value) for value in known):
        return None
    return [value[3:] for value in known]


def request_prefix(device_id, key_id, timestamp, encoding):
    return f"tidegate-request-v1\n{device_id}\n{key_id}\n{timestamp}\n{encoding}\n".encode()


def sign_request(secret, device_id, key_id, timestamp, encoding, body):
    return mac(secret, request_prefix(device_id, key_id, timestamp, encoding) + body)


def head_prefix(device_id, key_id, timestamp, encoding, length, signature):
    return f"tidegate-head-v1\n{device_id}\n{key_id}\n{timestamp}\n{encoding}\n{length}\n{signature}\n".encode()


def sign_head(secret, device_id, key_id, timestamp, encoding, length, signature):
    return mac(secret, head_prefix(device_id, key_id, timestamp, encoding, length, signature))


def sign_answer(secret, status, request_signature, timestamp, body):
    return mac(secret, f"tidegate-answer-v1\n{status}\n{request_signature}\n{timestamp}\n".encode() + body)


def is_same(signature, expected):
    return hmac.compare_digest(signature, expected)


def mac(secret, message):
    return hmac.new(secret, message, hashlib.sha256).hexdigest()
