//! When a credential ends, where that can be told from itself: a JSON web token's `exp`, or the `expiresAt` of an
//! agent's own login file.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::model::Millis;

/// A number larger than this is in milliseconds: in seconds it is the year 5138.
const MILLIS: u64 = 100_000_000_000;

/// When `value` ends, if it says so.
pub fn expiry(value: &str) -> Option<Millis> {
    token(value).or_else(|| {
        let json: Value = serde_json::from_str(value).ok()?;
        let at = ["/expiresAt", "/claudeAiOauth/expiresAt", "/expires_at"]
            .into_iter()
            .find_map(|path| json.pointer(path)?.as_u64())?;
        Some(millis(at))
    })
}

fn token(value: &str) -> Option<Millis> {
    let mut parts = value.trim().split('.');
    let (_, claims, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims.get("exp")?.as_u64().map(millis)
}

fn millis(at: u64) -> Millis {
    if at > MILLIS {
        at
    } else {
        at.saturating_mul(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_its_end_is_understood_and_the_rest_has_none() {
        let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"me","exp":1700000000}"#);
        let token = format!("eyJhbGciOiJIUzI1NiJ9.{claims}.c2ln");
        assert_eq!(expiry(&token), Some(1_700_000_000_000));
        let login = r#"{"claudeAiOauth":{"accessToken":"x","expiresAt":1700000000123}}"#;
        assert_eq!(expiry(login), Some(1_700_000_000_123));
        for none in ["sk-ant-api03-x", "a.b.c", "", "{}", "ghp_x.y.z.w"] {
            assert_eq!(expiry(none), None, "{none}");
        }
    }
}
