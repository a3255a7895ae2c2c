// Which octets may stand where in an HTTP/1.1 message (RFC 9110 §5.5 and §5.6.2).

export const tab = 0x09;
export const lf = 0x0a;
export const cr = 0x0d;
export const space = 0x20;
export const colon = 0x3a;
export const semicolon = 0x3b;

const table = (allowed: RegExp): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, octet) => (allowed.test(String.fromCharCode(octet)) ? 1 : 0));

/** 1 for each octet that a field name may have. */
export const nameOctets = table(/[!#$%&'*+\-.^_`|~0-9A-Za-z]/);

/** 1 for each octet that a field value may have: no controls but the tab. */
export const valueOctets = table(/[\t\x20-\x7e\x80-\xff]/);

const targetOctets = table(/[\x21-\x7e\x80-\xff]/);

/** The value of each hexadecimal digit; 255 for what is none. */
export const hexDigits = Uint8Array.from({ length: 256 }, (_, octet) => {
  const char = String.fromCharCode(octet);
  return /[0-9A-Fa-f]/.test(char) ? Number.parseInt(char, 16) : 255;
});

/** Text beyond Latin-1 has no entry, and would go out as octets that nobody meant. */
function consistsOf(text: string, octets: Uint8Array): boolean {
  for (let i = 0; i < text.length; i += 1) if (octets[text.charCodeAt(i)] !== 1) return false;
  return true;
}

export const isName = (text: string): boolean => text.length > 0 && consistsOf(text, nameOctets);
export const isValue = (text: string): boolean => consistsOf(text, valueOctets);
/** What may be asked for in a request's first line. */
export const isTarget = (text: string): boolean => text.length > 0 && consistsOf(text, targetOctets);
