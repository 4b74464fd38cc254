//! Compact JSON Web Signatures (RFC 7515) of one kind: `EdDSA` over Ed25519 (RFC 8037), type `vc+jwt`.
//!
//! Comes in: a token and the keys that may have signed it, or bytes to sign. Goes out: the bytes that a
//! known key vouches for. Never: another algorithm, none at all, or a key that the token itself brings.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;

use crate::{
    digest::{canonical, hex},
    signed_note::{KeyUse, Signer, Verifier},
};

/// The longest token that is read, in bytes.
const BYTES_MAX: usize = 4 << 20;
/// The one algorithm.
const ALGORITHM: &str = "EdDSA";
/// The one type, <https://www.w3.org/TR/vc-jose-cose/>.
const TYPE: &str = "vc+jwt";

/// What is wrong with a token. It never holds the token's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// More bytes than a token may have.
    #[error("a token of {0} bytes is longer than {BYTES_MAX}")]
    TooLong(usize),
    /// It is not header, payload and signature in base64url.
    #[error("it is no compact token: three parts of base64url without padding, joined by dots")]
    Form,
    /// Its header is no header.
    #[error("its header is no JSON object with `alg` and `typ`")]
    Header,
    /// Its algorithm is another.
    #[error("its algorithm is not {ALGORITHM}")]
    Algorithm,
    /// Its type is another.
    #[error("its type is not {TYPE}")]
    Type,
    /// It asks for what is not known here.
    #[error("it asks for an extension that is not known here")]
    Critical,
    /// No trusted key has the id that it names.
    #[error("no trusted key of its issuer has the id that it names")]
    UnknownKey,
    /// Its signature does not verify.
    #[error("its signature does not verify")]
    Signature,
}

/// A header as far as it is understood; RFC 7515 §4 has the rest ignored.
#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: Option<String>,
    cty: Option<String>,
    crit: Option<IgnoredAny>,
}

/// A token taken apart, not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    kid: Option<String>,
    payload: Vec<u8>,
}

/// Says whether a text could be a compact token; for telling what a file holds.
pub fn is_token(text: &str) -> bool {
    text.trim_start().starts_with("eyJ")
}

/// Returns the URL that stands for an issuer in credentials.
pub(super) fn issuer_url(name: &str) -> String {
    format!("https://{name}")
}

/// Returns the URL that stands for a key in tokens.
fn key_url(key: &Verifier) -> String {
    format!("{}#{}", issuer_url(key.name()), hex(&key.id()))
}

impl<'a> Token<'a> {
    /// Takes a token apart. Its payload is not yet to be believed.
    pub(super) fn parse(text: &'a str) -> Result<Self, TokenError> {
        if text.len() > BYTES_MAX {
            return Err(TokenError::TooLong(text.len()));
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenError::Form)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Form)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Form);
        let header: Header =
            serde_json::from_slice(&decode(header)?).map_err(|_| TokenError::Header)?;
        if header.alg != ALGORITHM {
            return Err(TokenError::Algorithm);
        }
        if header.typ != TYPE || header.cty.is_some_and(|cty| cty != "vc") {
            return Err(TokenError::Type);
        }
        if header.crit.is_some() {
            return Err(TokenError::Critical);
        }
        let (payload, signature) = (decode(payload)?, decode(signature)?);
        Ok(Self { signed, signature, kid: header.kid, payload })
    }

    /// Returns the payload; believe it only after [`Token::verify`].
    pub(super) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Returns which of an issuer's keys signed it. A token that names a key is verified by that key
    /// alone.
    pub(super) fn verify<'k>(
        &self,
        keys: impl Iterator<Item = &'k Verifier>,
    ) -> Result<&'k Verifier, TokenError> {
        let named = |key: &&Verifier| {
            key.key_use() == KeyUse::Sign
                && self.kid.as_ref().is_none_or(|kid| *kid == key_url(key))
        };
        let mut fault = TokenError::UnknownKey;
        for key in keys.filter(named) {
            if key.verify_raw(self.signed.as_bytes(), &self.signature) {
                return Ok(key);
            }
            fault = TokenError::Signature;
        }
        Err(fault)
    }
}

/// Signs a payload.
pub(super) fn sign(
    payload: &[u8],
    signer: &Signer,
) -> Result<String, crate::digest::CanonicalError> {
    let kid = key_url(signer.verifier());
    let header = canonical(&json!({"alg": ALGORITHM, "cty": "vc", "kid": kid, "typ": TYPE}))?;
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!("{}.{}", encode(&header), encode(payload));
    let signature = encode(&signer.sign_raw(signed.as_bytes()));
    Ok(format!("{signed}.{signature}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(seed: u8) -> Signer {
        Signer::from_seed("board.example/licences", &[seed; 32]).unwrap()
    }

    fn token(header: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode("{}"));
        let signature = URL_SAFE_NO_PAD.encode(signer(1).sign_raw(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn verdict(token: &str) -> Result<(), TokenError> {
        let keys = [signer(1).verifier().clone()];
        Token::parse(token)?.verify(keys.iter()).map(|_| ())
    }

    #[test]
    fn the_example_of_rfc_8037_verifies_but_for_its_type() {
        // RFC 8037 appendix A.4: no `typ`, so it is no credential.
        let example = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
            hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert_eq!(Token::parse(example), Err(TokenError::Header));
        // The same key signs the same input as the appendix prints.
        let seed = [
            0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec,
            0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03,
            0x1c, 0xae, 0x7f, 0x60,
        ];
        let signer = Signer::from_seed("rfc8037.example", &seed).unwrap();
        let (signed, signature) = example.rsplit_once('.').unwrap();
        assert_eq!(URL_SAFE_NO_PAD.encode(signer.sign_raw(signed.as_bytes())), signature);
    }

    #[test]
    fn what_was_signed_verifies_under_its_key_alone() {
        let text = sign(b"{}", &signer(1)).unwrap();
        assert_eq!(verdict(&text), Ok(()));
        let other = [signer(2).verifier().clone()];
        let token = Token::parse(&text).unwrap();
        assert_eq!(token.verify(other.iter()), Err(TokenError::UnknownKey));
    }

    #[test]
    fn no_other_algorithm_no_type_and_no_extension_is_taken() {
        assert_eq!(verdict(&token(r#"{"alg":"EdDSA","typ":"vc+jwt"}"#)), Ok(()));
        for (header, fault) in [
            (r#"{"alg":"none","typ":"vc+jwt"}"#, TokenError::Algorithm),
            (r#"{"alg":"HS256","typ":"vc+jwt"}"#, TokenError::Algorithm),
            (r#"{"alg":"eddsa","typ":"vc+jwt"}"#, TokenError::Algorithm),
            (r#"{"alg":"EdDSA","typ":"JWT"}"#, TokenError::Type),
            (r#"{"alg":"EdDSA","typ":"vc+jwt","cty":"vp"}"#, TokenError::Type),
            (r#"{"alg":"EdDSA","typ":"vc+jwt","crit":["b64"],"b64":false}"#, TokenError::Critical),
            (r#"{"alg":"EdDSA","typ":"vc+jwt","alg":"none"}"#, TokenError::Header),
            (r#"{"alg":"EdDSA"}"#, TokenError::Header),
            (r#"{"alg":"EdDSA","typ":"vc+jwt","kid":"https://evil#00"}"#, TokenError::UnknownKey),
        ] {
            assert_eq!(verdict(&token(header)), Err(fault), "{header} was taken");
        }
    }

    #[test]
    fn every_byte_of_a_token_is_covered() {
        let text = sign(b"{\"licence\":\"H-1\"}", &signer(1)).unwrap();
        for at in 0..text.len() {
            for other in ["A", "B", ".", "=", "_"] {
                if text.get(at..=at) == Some(other) {
                    continue;
                }
                let mut changed = text.clone();
                changed.replace_range(at..=at, other);
                assert!(verdict(&changed).is_err(), "byte {at} is not covered");
            }
        }
        assert!(verdict(&format!("{text}=")).is_err(), "padding was taken");
        assert!(verdict(&format!("{text}.")).is_err(), "a fourth part was taken");
        assert!(verdict(text.rsplit_once('.').unwrap().0).is_err(), "no signature was taken");
    }
}
