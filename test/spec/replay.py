"""Replays proto-spec/vectors with the reader: `python3 replay.py FOLDER`.

Prints one line of JSON: for each file how many vectors passed, which failed and why, and what was left out. Ends with
status 1 where any failed.
"""

import json
import pathlib
import struct
import sys

import reader


class Tally:
    def __init__(self):
        self.passed = 0
        self.failed = []
        self.left_out = []

    def check(self, name, found, expected):
        if found == expected:
            self.passed += 1
        else:
            self.failed.append(f"{name}: {found!r} is not {expected!r}"[:400])

    def refuses(self, name, code, call):
        try:
            call()
        except reader.Refused as error:
            self.check(name, error.code, code)
        else:
            self.failed.append(f"{name}: was taken")

    def takes(self, name, call):
        try:
            return call()
        except reader.Refused as error:
            self.failed.append(f"{name}: {error}")
            return None


def double_of(bits):
    return struct.unpack(">d", bytes.fromhex(bits))[0]


def bits_of(value):
    return struct.pack(">d", value).hex()


def described(ts, sensor, fields):
    """An event in a form that compares measures bit for bit."""
    return ts, sensor, {name: bits_of(v) if isinstance(v, float) else v for name, v in fields.items()}


def described_vector(event):
    fields = {}
    for field in event["fields"]:
        fields[field["name"]] = next(field[key] for key in ("bits", "text", "flag") if key in field)
    return event["ts"], event["sensor"], fields


def replay_batches(vectors, tally):
    for vector in vectors["batches"]:
        name = vector["name"]
        batch = tally.takes(name, lambda: reader.decode_batch(bytes.fromhex(vector["hex"])))
        if batch is None:
            continue
        header = [batch["stream"].hex(), batch["first"], batch["count"], batch["sent"], batch["queue"], batch["gaps"]]
        tally.check(name, header, [vector[key] for key in ("stream", "first", "count", "sent", "queue", "gaps")])
        tally.check(name, [described(*event) for event in batch["events"]], [described_vector(e) for e in vector["events"]])
        measures = {}
        for _, _, fields in batch["events"]:
            for field, value in fields.items():
                if isinstance(value, float):
                    measures.setdefault(field, []).append(value)
        tally.check(name, {field: reader.exact_sum(values) for field, values in measures.items()}, vector["sums"])


def replay_invalid_batches(vectors, tally):
    for vector in vectors["batches"]:
        tally.refuses(vector["name"], vector["code"], lambda: reader.decode_batch(bytes.fromhex(vector["hex"])))


def replay_mutants(vectors, tally):
    """Batches that another reader has taken (then with what it got out of them) or refused, whatever the code."""
    for vector in vectors["batches"]:
        try:
            batch = reader.decode_batch(bytes.fromhex(vector["hex"]))
        except reader.Refused:
            found = None
        else:
            found = [described(*event) for event in batch["events"]]
        expected = None if vector["events"] is None else [described_vector(event) for event in vector["events"]]
        tally.check(vector["name"], found, expected)


def replay_bodies(vectors, tally):
    for vector in vectors["valid"]:
        if vector["encoding"] in ("br", "zstd"):
            tally.left_out.append(vector["name"])
            continue
        data = tally.takes(vector["name"], lambda: reader.inflate(vector["encoding"], bytes.fromhex(vector["hex"])))
        tally.check(vector["name"], data and data.hex(), vectors["batch"])
    for vector in vectors["invalid"]:
        if vector["encoding"] in ("br", "zstd"):
            tally.left_out.append(vector["name"])
            continue
        limit = vector.get("bytesMax", reader.BODY_INFLATED_MAX)
        body = bytes.fromhex(vector["hex"])
        tally.refuses(vector["name"], vector["code"], lambda: reader.inflate(vector["encoding"], body, limit))


def replay_integers(vectors, tally):
    for vector in vectors["valid"]:
        data = bytes.fromhex(vector["hex"])
        found = tally.takes(vector["name"], lambda: reader.unpack_integers(data, len(vector["values"])))
        tally.check(vector["name"], found, vector["values"])
    for vector in vectors["invalid"]:
        data = bytes.fromhex(vector["hex"])
        tally.refuses(vector["name"], vector["code"], lambda: reader.unpack_integers(data, vector["count"]))


def replay_decimals(vectors, tally):
    for vector in vectors["doubles"]:
        value = double_of(vector["bits"])
        tally.check(repr(value), reader.decimal_text(reader.decimal_of(value)), vector["text"])
    for vector in vectors["sums"]:
        tally.check(vector["name"], reader.exact_sum(double_of(bits) for bits in vector["bits"]), vector["sum"])
    for valid in (True, False):
        for text in vectors["texts"]["valid" if valid else "invalid"]:
            tally.check(text, reader.is_decimal(text), valid)


def matched_key(headers, keys, body, revoked=()):
    """The id of the matched key, None where the request is not authentic, "malformed" where a header is not of its form."""
    key_ids = reader.parse_key_ids(headers["X-Key-Id"])
    signatures = reader.parse_signatures(headers["X-Signature"])
    if key_ids is None or signatures is None:
        return "malformed"
    encoding = headers.get("Content-Encoding", "identity")
    for key_id in sorted(key_ids, key=lambda key_id: key_id in revoked):
        if key_id not in keys:
            continue
        secret = bytes.fromhex(keys[key_id])
        expected = reader.sign_request(secret, headers["X-Device-Id"], key_id, headers["X-Timestamp"], encoding, body)
        if any(reader.is_same(signature, expected) for signature in signatures):
            return key_id
    return None


def matched_key_of_head(headers, keys):
    """The id of the key under which the head is authentic before there is a body, or None."""
    length = headers.get("Content-Length")
    if length is None:
        return None
    offered = reader.parse_signatures(headers["X-Head-Signature"])
    for key_id in reader.parse_key_ids(headers["X-Key-Id"]):
        for signature in reader.parse_signatures(headers["X-Signature"]):
            encoding = headers.get("Content-Encoding", "identity")
            head = (headers["X-Device-Id"], key_id, headers["X-Timestamp"], encoding, length, signature)
            expected = reader.sign_head(bytes.fromhex(keys[key_id]), *head)
            if any(reader.is_same(value, expected) for value in offered):
                return key_id
    return None


def replay_requests(vectors, tally):
    for vector in vectors["requests"]:
        head = (vector["deviceId"], vector["keyId"], vector["timestamp"], vector["contentEncoding"])
        tally.check(vector["name"], reader.request_prefix(*head).hex(), vector["signed"])
        found = reader.sign_request(bytes.fromhex(vector["secret"]), *head, bytes.fromhex(vector["body"]))
        tally.check(vector["name"], found, vector["signature"])
        head = (*head, len(bytes.fromhex(vector["body"])), found)
        tally.check(vector["name"], reader.head_prefix(*head).hex(), vector["headSigned"])
        tally.check(vector["name"], reader.sign_head(bytes.fromhex(vector["secret"]), *head), vector["headSignature"])
    body = bytes.fromhex(vectors["body"])
    for vector in vectors["checked"]:
        found = matched_key(vector["headers"], vectors["keys"], body, vector.get("revoked", ()))
        tally.check(vector["name"], found, vector["matched"])
    for vector in vectors["heads"]:
        tally.check(vector["name"], matched_key_of_head(vector["headers"], vectors["keys"]), vector["matched"])
    for vector in vectors["malformed"]:
        tally.check(vector["name"], matched_key(vector["headers"], vectors["keys"], body), "malformed")


def replay_answers(vectors, tally):
    secret = bytes.fromhex(vectors["secret"])
    for vector in vectors["answers"]:
        body = bytes.fromhex(vector["body"])
        expected = reader.sign_answer(secret, vector["status"], vectors["request"], vector["timestamp"], body)
        tally.check(vector["name"], reader.is_same(vector["signature"], expected), vector["authentic"])


def replay_exchanges(vectors, tally):
    """Signatures on both sides, and the code where the body alone decides it."""
    for vector in vectors["exchanges"]:
        name, answer, device = vector["name"], vector["answer"], vector.get("device")
        body = answer["body"].encode()
        headers = dict(line.split(": ", 1) for line in vector["request"]["head"].split("\r\n")[1:] if line)
        if vector["signed"]:
            key = vectors["keys"][answer["headers"]["X-Key-Id"]]
            timestamp = answer["headers"]["X-Timestamp"]
            signature = device["signature"]
            expected = reader.sign_answer(bytes.fromhex(key["secret"]), answer["status"], signature, timestamp, body)
            offered = reader.parse_signatures(answer["headers"]["X-Signature"])
            tally.check(name, any(reader.is_same(each, expected) for each in offered), True)
            tally.check(name, answer["headers"]["X-Key-Id"], device["keyId"])
        else:
            tally.check(name, "X-Signature" in answer["headers"], False)
        if vector["code"] is None or vector["code"] not in BODY_CODES or "given" in vector or not vector["request"]["body"]:
            continue
        encoding = headers.get("Content-Encoding", "identity")
        if encoding == "br":
            tally.left_out.append(name)
            continue
        content = bytes.fromhex(vector["request"]["body"])
        head = (vectors["deviceId"], device["keyId"], headers["X-Timestamp"], encoding)
        secret = bytes.fromhex(device["secret"])
        tally.check(name, reader.sign_request(secret, *head, content), device["signature"])
        tally.refuses(name, vector["code"], lambda: reader.decode_batch(reader.inflate(encoding, content)))


BODY_CODES = ("body-corrupt", "batch-malformed", "batch-column", "batch-version", "batch-limit", "encoding-unsupported")


def replay_credentials(vectors, tally):
    for vector in vectors["valid"]:
        found = reader.parse_credential(vector["text"])
        tally.check(vector["text"], found, (vector["keyId"], bytes.fromhex(vector["secret"])))
    for text in vectors["invalid"]:
        tally.check(text, reader.parse_credential(text), None)


REPLAYS = {
    "answers.json": replay_answers,
    "batches.json": replay_batches,
    "bodies.json": replay_bodies,
    "credentials.json": replay_credentials,
    "decimals.json": replay_decimals,
    "exchanges.json": replay_exchanges,
    "integers.json": replay_integers,
    "invalid-batches.json": replay_invalid_batches,
    "mutants.json": replay_mutants,
    "requests.json": replay_requests,
}


def main(folder):
    report = {}
    for path in sorted(pathlib.Path(folder).glob("*.json")):
        tally = Tally()
        REPLAYS[path.name](json.loads(path.read_text(encoding="utf-8")), tally)
        report[path.name] = vars(tally)
    print(json.dumps(report))
    return 1 if any(part["failed"] for part in report.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
