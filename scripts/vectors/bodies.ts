/**
 * vectors/bodies.json: compressed bodies. They were made once, by Python's gzip, Node's Brotli and Zstandard, and stand
 * here as they are, since compressors of other versions may write other bytes for the same content.
 */
import { bytesOf, EXAMPLE, HEADER } from './example.ts';

const GZIP =
  '1f8b080000000000020315ca3d0e82301880e1af1444c53f3c8a3742f26948a0206d991d4d5c0cd18451138a031e82a189235ec21bb8e860c4e91d9e7777c948c5458a5ea467400c6a5a3dbb3f183aa3f164aa5641ca05517e2c99a02547265a00b26f9fc14b6d244a3c520a50aebd841fae7e1cca88f113cd55c04214552c45176d1230403bf3edb9febe978fd6b6f3a2cafe33426368cbfd90c5bd699aa2161825987a42a6089a50a24df7468d8e7e6feee126a6000000';
const GZIP_STORED =
  '1f8b080000000000040301a60059ff88a17601a673747265616dc410000102030405060708090a0b0c0d0e0fa5666972737401a5636f756e7403a473656e74cf0000018bcfe569f4a571756575659403030000a46761707390a7636f6c756d6e73950392a5696e6c6574a66f75746c6574c40401000200c40b1280a0abfef962d0cf07079298a6766f6c756d6500c002c40511fa0132c7c0c0c098ab74656d706572617475726500c4010301c40411ac0302c0c0c06feee126a6000000';
const GZIP_MEMBERS =
  '1f8b0800000000000203eb5858c6b8acb8a4283531f78800032313330b2b1b3b072717370f2f1fffd2b4cca2e212c6a5c9f9a57925cc4b8a53f34ace333030769f7f9af9656961696a69ea146666068625e98905c5139627e7e794e6e6154f659eb434332f27b564597e6909903ac2020081d9ff7d640000001f8b08000000000002036364606238c22dd4b060f5bf9f4917ceb3b34f9ab1ac2c3fa7343795e100d31156c15f8c46c70f1c38306375496a6e416a51624969512ac3114666c6232c826b989980520042c7390242000000';
const BROTLI =
  '13a50000e4686e534f91d8ec6043f44726aa46d312c4e22885d04c60034e1803b130584e14545db69fc6272994047764af6138415234c3960063bf954c217cbc0adac9510aa2c8c130bce05caceb3861830d4d92c4b051c01d4f55a72afc2d9a6a91f5b1150d039ac46c1406b4a7708cc0f6a291e92dff2fcfd961d97a77a2edcfb035b1a7f537ee3aadd7ebee1241240e4937b29380ed7112df53fa8a24d6eb35';
const ZSTANDARD =
  '28b52ffd20a631050088a17601a673747265616dc410000102030405060708090a0b0c0d0e0fa5666972737401a5636f756e7403a473656e74cf0000018bcfe569f4a571756575659403030000a46761707390a7636f6c756d6e73950392a5696e6c6574a66f75746c6574c40401000200c40b1280a0abfef962d0cf07079298a6766f6c756d6500c002c40511fa0132c7c0c0c098ab74656d706572617475726500c4010301c40411ac0302c0c0c0';

export function bodyVectors() {
  const batch = bytesOf({ header: HEADER, events: EXAMPLE }).toString('hex');
  return {
    about:
      'Bodies of requests (batch.md, "Compression"). Each valid one inflates to `batch`; a reader without the ' +
      'encoding skips it. `bytesMax` is a limit on what comes out, where it is not that of the specification.',
    batch,
    valid: [
      { name: 'identity', encoding: 'identity', hex: batch },
      { name: 'gzip', encoding: 'gzip', hex: GZIP },
      { name: 'gzip without compression', encoding: 'gzip', hex: GZIP_STORED },
      { name: 'gzip of two members', encoding: 'gzip', hex: GZIP_MEMBERS },
      { name: 'Brotli', encoding: 'br', hex: BROTLI },
      { name: 'Zstandard', encoding: 'zstd', hex: ZSTANDARD },
    ],
    invalid: [
      { name: 'gzip cut short', encoding: 'gzip', hex: GZIP.slice(0, -2), code: 'body-corrupt' },
      {
        name: 'gzip with a wrong checksum',
        encoding: 'gzip',
        hex: GZIP_STORED.replace('6feee126', '6feee127'),
        code: 'body-corrupt',
      },
      { name: 'not gzip', encoding: 'gzip', hex: batch, code: 'body-corrupt' },
      { name: 'nothing', encoding: 'gzip', hex: '', code: 'body-corrupt' },
      { name: 'Brotli cut short', encoding: 'br', hex: BROTLI.slice(0, -2), code: 'body-corrupt' },
      { name: 'not Brotli', encoding: 'br', hex: 'ffffffff', code: 'body-corrupt' },
      { name: 'gzip with a zero behind it', encoding: 'gzip', hex: `${GZIP}00`, code: 'body-corrupt' },
      { name: 'gzip with other bytes behind it', encoding: 'gzip', hex: `${GZIP}ff01`, code: 'body-corrupt' },
      {
        name: 'gzip of two members with a zero between',
        encoding: 'gzip',
        hex: `${GZIP}00${GZIP}`,
        code: 'body-corrupt',
      },
      { name: 'Brotli with a byte behind it', encoding: 'br', hex: `${BROTLI}00`, code: 'body-corrupt' },
      { name: 'Zstandard with a byte behind it', encoding: 'zstd', hex: `${ZSTANDARD}00`, code: 'body-corrupt' },
      { name: 'more than the limit', encoding: 'gzip', hex: GZIP, bytesMax: 165, code: 'body-too-large' },
      {
        name: 'more than the limit, as it is',
        encoding: 'identity',
        hex: batch,
        bytesMax: 165,
        code: 'body-too-large',
      },
      { name: 'an encoding that is not known', encoding: 'deflate', hex: batch, code: 'encoding-unsupported' },
      { name: 'two encodings', encoding: 'gzip, br', hex: GZIP, code: 'encoding-unsupported' },
      { name: 'upper case', encoding: 'GZIP', hex: GZIP, code: 'encoding-unsupported' },
      { name: 'an alias', encoding: 'x-gzip', hex: GZIP, code: 'encoding-unsupported' },
      { name: 'an empty encoding', encoding: '', hex: batch, code: 'encoding-unsupported' },
    ],
  };
}
