/**
 * Certificates: authorities and what they sign, made on the spot.
 *
 * Owns just as much of X.509 as a TLS handshake looks at: a subject, its names, and the time for which they hold.
 * Promises PEM texts that Node takes. Never for anything but tests: its authorities have no secrets worth keeping.
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

export interface Certified {
  /** PEM texts. */
  readonly cert: string;
  readonly key: string;
}

export interface Subject {
  readonly host: string;
  /** Epoch milliseconds. */
  readonly from: number;
  readonly to: number;
}

export interface Authority {
  /** What whoever trusts it is given, PEM. */
  readonly cert: string;
  issue(subject: Subject): Certified;
}

/** Names are DER: OBJECT IDENTIFIERs of ecdsa-with-SHA256, commonName, basicConstraints, subjectAltName. */
const ECDSA_SHA256 = oid('2a8648ce3d040302');
const COMMON_NAME = oid('550403');
const BASIC_CONSTRAINTS = oid('551d13');
const SUBJECT_ALT_NAME = oid('551d11');

const TAG = { true: 0x01, integer: 0x02, bits: 0x03, octets: 0x04, text: 0x0c, time: 0x18, sequence: 0x30, set: 0x31 };
/** Tagged by their place rather than their kind. */
const PLACE = { dnsName: 0x82, version: 0xa0, extensions: 0xa3 };

export function createAuthority(name: string): Authority {
  const keys = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const always = { from: 0, to: Date.UTC(2200, 0, 1) };
  const isAuthority = extension(BASIC_CONSTRAINTS, sequence(der(TAG.true, Buffer.from([0xff]))));
  const certify = (subject: string, key: KeyObject, time: Omit<Subject, 'host'>, content: Buffer): string => {
    const signed = sequence(
      der(PLACE.version, integer(Buffer.from([2]))),
      // Positive, and another one every time.
      integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
      sequence(ECDSA_SHA256),
      named(name),
      sequence(generalizedTime(time.from), generalizedTime(time.to)),
      named(subject),
      key.export({ type: 'spki', format: 'der' }),
      der(PLACE.extensions, sequence(content)),
    );
    return pem(sequence(signed, sequence(ECDSA_SHA256), bits(sign('sha256', signed, keys.privateKey))));
  };
  return {
    cert: certify(name, keys.publicKey, always, isAuthority),
    issue({ host, ...time }) {
      const own = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
      const names = extension(SUBJECT_ALT_NAME, sequence(der(PLACE.dnsName, Buffer.from(host))));
      return {
        cert: certify(host, own.publicKey, time, names),
        key: own.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
      };
    },
  };
}

function named(name: string): Buffer {
  return sequence(der(TAG.set, sequence(COMMON_NAME, der(TAG.text, Buffer.from(name)))));
}

function extension(id: Buffer, content: Buffer): Buffer {
  return sequence(id, der(TAG.octets, content));
}

function generalizedTime(ms: number): Buffer {
  return der(TAG.time, Buffer.from(`${new Date(ms).toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`));
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'));
}

function integer(bytes: Buffer): Buffer {
  return der(TAG.integer, bytes);
}

function bits(bytes: Buffer): Buffer {
  return der(TAG.bits, Buffer.concat([Buffer.from([0]), bytes]));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(TAG.sequence, Buffer.concat(parts));
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const head =
    length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), content]);
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').replace(/.{64}/g, '$&\n').trimEnd();
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}
