"""A small client of the Tidegate protocol, written from the pages of proto-spec.

As a library: `Client(url, device, credential).deliver(stream, first, events)`.

As a program it reads jobs, one line of JSON each, and answers each with one line of JSON:

    {"url": "http://127.0.0.1:8080", "device": "pump-7", "credential": "k1.…", "stream": "<32 hex digits>", "first": 1,
     "events": [{"ts": 1700000000000, "sensor": "inlet", "fields": {"volume": 1.25}}]}

gives `{"status": 200, "signed": true, "body": {…}}`. Further members of a job: `encoding` (gzip, or identity, the default),
`gaps`, `queue` and `sent` as in the batch, `timestamp`, and `wrong`: one of the names in WRONG, for a request with a fault.
"""

import dataclasses
import http.client
import json
import struct
import sys
import time
import urllib.parse

import msgpack

import reader

MEDIA_TYPE = "application/vnd.tidegate.batch+msgpack"


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict
    body: bytes
    signed: bool

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Client:
    def __init__(self, url, device_id, credential):
        self.url = urllib.parse.urlsplit(url)
        self.device_id = device_id
        key = reader.parse_credential(credential)
        if key is None:
            raise ValueError("not a credential")
        self.key_id, self.secret = key
        self.offset = 0

    def clock(self):
        """Epoch milliseconds, as corrected by the gateway's clock."""
        return time.time_ns() // 1_000_000 + self.offset

    def deliver(self, stream, first, events, encoding="identity", **parts):
        """Sends one batch, and once more where only the clock was wrong."""
        for _ in range(2):
            data = build_batch(stream, first, events, **{"sent": self.clock(), **parts})
            answer = self.post(*self.request(reader.compress(encoding, data), encoding))
            problem = answer.json() or {}
            if not (answer.signed and answer.status == 401 and problem.get("code") == "clock-skew"):
                break
            self.offset += problem["clock"] - self.clock()
        return answer

    def request(self, body, encoding, timestamp=None):
        """Headers and body of a signed request."""
        timestamp = self.clock() if timestamp is None else timestamp
        signature = reader.sign_request(self.secret, self.device_id, self.key_id, timestamp, encoding, body)
        head_signature = reader.sign_head(
            self.secret, self.device_id, self.key_id, timestamp, encoding, len(body), signature
        )
        headers = {
            "Content-Type": MEDIA_TYPE,
            "Content-Encoding": encoding,
            "X-Device-Id": self.device_id,
            "X-Key-Id": self.key_id,
            "X-Timestamp": str(timestamp),
            "X-Signature": f"v1={signature}",
            "X-Head-Signature": f"v1={head_signature}",
        }
        return headers, body

    def post(self, headers, body):
        """Sends it as it is, right or wrong. A header may have a list of values: then it stands more than once."""
        secure = self.url.scheme == "https"
        connection = (http.client.HTTPSConnection if secure else http.client.HTTPConnection)(self.url.netloc, timeout=30)
        try:
            connection.putrequest("POST", self.url.path.rstrip("/") + "/v1/batches", skip_accept_encoding=True)
            for name, values in headers.items():
                for value in values if isinstance(values, list) else [values]:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            answer = response.read()
            return Answer(response.status, dict(response.headers), answer, self.is_signed(headers, response, answer))
        finally:
            connection.close()

    def is_signed(self, sent, response, body):
        """Whether the gateway has signed this answer to that request."""
        ours = reader.parse_signatures(str(sent.get("X-Signature")))
        theirs = reader.parse_signatures(response.headers.get("X-Signature", ""))
        if not ours or not theirs or response.headers.get("X-Key-Id") != self.key_id:
            return False
        timestamp = response.headers.get("X-Timestamp", "")
        expected = reader.sign_answer(self.secret, response.status, ours[0], timestamp, body)
        return any(reader.is_same(signature, expected) for signature in theirs)


# batch.md: every column in one of the simpler forms


def build_batch(stream, first, events, sent, queue=None, gaps=()):
    """`events` are `(ts, sensor, fields)` in sequence order; numbers of either type are measures."""
    count = len(events)
    batch = {
        "v": 1,
        "stream": stream,
        "first": first,
        "count": count,
        "sent": sent,
        "queue": list(queue or (first + count - 1, count, 0, 0)),
        "gaps": [list(gap) for gap in gaps],
        "columns": build_columns(events),
    }
    return msgpack.packb(batch, use_bin_type=True)


def build_columns(events):
    sensors = list(dict.fromkeys(sensor for _, sensor, _ in events))
    order = [sensors.index(sensor) for _, sensor, _ in events]
    rows = [event for sensor in sensors for event in events if event[1] == sensor]
    columns = {}
    for row, (_, _, fields) in enumerate(rows):
        for name, value in fields.items():
            columns.setdefault((name, kind_of(value)), {})[row] = value
    return [
        len(events),
        sensors,
        pack_integers(order) if len(sensors) > 1 else None,
        pack_integers([ts for ts, _, _ in rows]),
        [build_field(name, kind, values, len(rows)) for (name, kind), values in columns.items()],
    ]


def kind_of(value):
    if isinstance(value, bool):
        return reader.FLAG
    return reader.TEXT if isinstance(value, str) else reader.MEASURE


def build_field(name, kind, values, count):
    presence = None if len(values) == count else pack_bits([row in values for row in range(count)])
    return [name, kind, presence, *build_values(kind, list(values.values()))]


def build_values(kind, values):
    if kind == reader.FLAG:
        return [pack_bits(values)]
    if kind == reader.TEXT:
        dictionary = list(dict.fromkeys(values))
        return [dictionary, pack_integers([dictionary.index(value) for value in values])]
    return pack_measures([float(value) for value in values])


def pack_bits(flags):
    data = bytearray((len(flags) + 7) // 8)
    for i, flag in enumerate(flags):
        data[i // 8] |= bool(flag) << (i % 8)
    return bytes(data)


def pack_integers(values):
    """Order 1 and varints; order 0 where a difference would be too large."""
    differences = [value - previous for previous, value in zip([0, *values], values)]
    for first_byte, numbers in ((0x1F, differences), (0x0F, values)):
        codes = [2 * number if number >= 0 else -2 * number - 1 for number in numbers]
        if all(code < reader.CODE_END for code in codes):
            return bytes([first_byte]) + b"".join(map(pack_varint, codes))
    raise ValueError("an integer out of range")


def pack_varint(code):
    data = bytearray()
    while code >= 0x80:
        data.append(code & 0x7F | 0x80)
        code >>= 7
    data.append(code)
    return bytes(data)


def pack_measures(values):
    """Integers at one power of ten if that gives every value back, doubles otherwise."""
    numbers = [reader.decimal_of(value) for value in values]
    scale = max(0, max(-number.as_tuple().exponent for number in numbers))
    if scale <= reader.SCALE_MAX:
        mantissas = [int(number.scaleb(scale, context=reader.EXACT)) for number in numbers]
        if all(repr(float(m) / float(10**scale)) == repr(v) and abs(m) < 10**15 for m, v in zip(mantissas, values)):
            return [scale, pack_integers(mantissas), None, None, None]
    return [pack_doubles(values)]


def pack_doubles(values):
    each = [struct.pack("<d", value) for value in values]
    return bytes(data[plane] for plane in range(8) for data in each)


# Requests with a fault: each takes the client, the compressed body and its encoding, and gives headers and body.


def wrong_body(client, body, encoding):
    headers, body = client.request(body, encoding)
    return headers, bytes([body[0] ^ 1]) + body[1:]


def wrong_header(name, value):
    def made(client, body, encoding):
        headers, body = client.request(body, encoding)
        headers[name] = value(headers[name]) if callable(value) else value
        return headers, body

    return made


def without_header(name):
    def made(client, body, encoding):
        headers, body = client.request(body, encoding)
        del headers[name]
        return headers, body

    return made


def wrong_content(change):
    """Signed as it should be, but not a batch."""

    def made(client, body, encoding):
        return client.request(change(body), encoding)

    return made


WRONG = {
    "body": wrong_body,
    "signature": wrong_header("X-Signature", f"v1={'0' * 64}"),
    "signature-form": wrong_header("X-Signature", lambda value: value[:-1]),
    "timestamp": wrong_header("X-Timestamp", lambda value: str(int(value) + 1)),
    "timestamp-form": wrong_header("X-Timestamp", lambda value: f"0{value}"),
    "device": wrong_header("X-Device-Id", "no-such-device"),
    "key": wrong_header("X-Key-Id", "no-such-key"),
    "header-twice": wrong_header("X-Device-Id", lambda value: [value, value]),
    "content-type": wrong_header("Content-Type", "application/json"),
    "content-encoding": wrong_header("Content-Encoding", "br"),
    "no-signature": without_header("X-Signature"),
    "no-timestamp": without_header("X-Timestamp"),
    "no-device": without_header("X-Device-Id"),
    "no-key": without_header("X-Key-Id"),
    "old": lambda client, body, encoding: client.request(body, encoding, client.clock() - 3_600_000),
    "unknown-encoding": lambda client, body, encoding: client.request(body, "rot13"),
    "not-gzip": lambda client, body, encoding: client.request(b"not gzip", "gzip"),
    "not-a-batch": wrong_content(lambda body: b"\x93\x01\x02\x03"),
    "cut-short": wrong_content(lambda body: body[:-1]),
}


def run(job):
    client = Client(job["url"], job["device"], job["credential"])
    events = [(event["ts"], event["sensor"], event["fields"]) for event in job.get("events", [])]
    parts = {key: job[key] for key in ("sent", "queue", "gaps") if key in job}
    encoding = job.get("encoding", "identity")
    stream = bytes.fromhex(job["stream"])
    if "wrong" in job or "timestamp" in job:
        data = build_batch(stream, job["first"], events, **{"sent": client.clock(), **parts})
        body = reader.compress(encoding, data)
        if "wrong" in job:
            answer = client.post(*WRONG[job["wrong"]](client, body, encoding))
        else:
            answer = client.post(*client.request(body, encoding, job["timestamp"]))
    else:
        answer = client.deliver(stream, job["first"], events, encoding, **parts)
    return {"status": answer.status, "signed": answer.signed, "body": answer.json()}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
