//! Short digests that tell whether pods have to be replaced.
//!
//! A digest depends on the given text alone: not on the process, the machine, the release of Headroom or the
//! order of a hash map. Pods are restarted when it changes, so nothing may enter it that is not the pods' own.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Hexadecimal digits of a digest: enough that two budgets of one pool never meet, short enough for a column.
const DIGITS: usize = 16;

/// The first digits of the SHA-256 of `text`, in lower-case hexadecimal.
pub(super) fn short_hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let mut hexadecimal = String::with_capacity(DIGITS);
    for byte in digest.iter().take(DIGITS / 2) {
        // Writing to a String cannot fail.
        let _ = write!(hexadecimal, "{byte:02x}");
    }
    hexadecimal
}

#[cfg(test)]
mod tests {
    use super::short_hash;

    /// The digits are part of the contract: another text form would restart every pod of every pool.
    #[test]
    fn the_digest_is_the_first_half_of_sha_256() {
        assert_eq!(short_hash(""), "e3b0c44298fc1c14");
        assert_eq!(short_hash("abc"), "ba7816bf8f01cfea");
    }
}
