// Why a key is not changed: it is declared elsewhere, or revoked for good.

/** A key that the configuration declares is changed there alone. */
export class DeclaredInConfig extends Error {
  constructor(label: string) {
    super(`The key '${label}' is declared in the configuration; change it there.`);
    this.name = "DeclaredInConfig";
  }
}

/** A revoked key stays revoked. */
export class AlreadyRevoked extends Error {
  constructor(label: string) {
    super(`The key '${label}' is revoked, which is for good; make a new one.`);
    this.name = "AlreadyRevoked";
  }
}
