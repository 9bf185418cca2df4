/**
 * Certificates that a command is told to trust.
 *
 * Owns the reading of a PEM file of authorities. Promises that a file without a certificate is an error: TLS would take
 * it, and trust nobody. Never decides whom to trust.
 */
import { X509Certificate } from 'node:crypto';
import { CommandError } from './errors.ts';
import { readPlainFile, unreadable } from './plain-file.ts';

const CERTIFICATE_PATTERN =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]+-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

const UNTRUSTED_CODES: ReadonlySet<string> = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_UNTRUSTED',
  'CERT_SIGNATURE_FAILURE',
  'INVALID_CA',
]);

/** Whether a connection has failed with this code because nobody who is trusted has signed the certificate. */
export function isUntrusted(code: string): boolean {
  return UNTRUSTED_CODES.has(code);
}

/**
 * The text of the file that a flag such as `--ca` names.
 * @throws CommandError `ca-unreadable` or `ca-invalid`
 */
export async function readCertificates(flag: string, path: string): Promise<string> {
  const text = await readPlainFile(path).catch((cause: unknown) => {
    throw new CommandError('ca-unreadable', `${flag}: ${unreadable(path, cause)}`, { cause });
  });
  const problem = certificateProblem(text);
  if (problem === undefined) return text;
  throw new CommandError('ca-invalid', `${flag}: ${path} ${problem}`);
}

/** What is wrong with a PEM text of certificates, as in `ca.pem holds no …`; undefined where all of it can be read. */
export function certificateProblem(text: string): string | undefined {
  const blocks = text.match(CERTIFICATE_PATTERN) ?? [];
  if (blocks.length === 0) return 'holds no PEM certificate (-----BEGIN CERTIFICATE-----)';
  const damaged = blocks.findIndex((block) => !isCertificate(block));
  return damaged < 0 ? undefined : `holds a certificate that cannot be read: number ${damaged + 1} in it`;
}

function isCertificate(block: string): boolean {
  try {
    return new X509Certificate(block).raw.length > 0;
  } catch {
    return false;
  }
}
