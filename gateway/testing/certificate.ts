// A self-signed certificate for 127.0.0.1, made by the openssl command when a test needs one.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** PEM texts. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** A new certificate, valid for a day; `undefined` where there is no openssl command. */
export async function selfSigned(): Promise<Certificate | undefined> {
  const folder = await mkdtemp(join(tmpdir(), "tollgate-certificate-"));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  try {
    await promisify(execFile)("openssl", [
      ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=127.0.0.1".split(" "),
      ..."-addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:TRUE".split(" "),
      ...["-keyout", key, "-out", cert],
    ]);
    return { key: await readFile(key, "utf8"), cert: await readFile(cert, "utf8") };
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
