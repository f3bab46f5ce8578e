//! argon2id: making hashes, reading stored ones, verifying.

use crate::config::Auth;
use anyhow::{Context, anyhow, ensure};
use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};

/// The longest password. Longer ones are refused before anything is computed.
pub(crate) const PASSWORD_BYTES_MAX: usize = 1024;
/// The shortest password that can be set up.
pub(crate) const PASSWORD_BYTES_MIN: usize = 8;

/// What a hash may ask of us when it is verified: memory in KiB, passes, lanes.
const COST_MAX: (u32, u32, u32) = (1 << 20, 64, 64);

/// Hashes passwords at the configured cost.
#[derive(Clone)]
pub(crate) struct Passwords {
    params: Params,
    #[cfg(test)]
    pub(super) verified: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl Passwords {
    /// At the cost that the settings say.
    pub(crate) fn new(auth: &Auth) -> anyhow::Result<Passwords> {
        let params =
            Params::new(auth.argon2_memory_kib, auth.argon2_passes, auth.argon2_lanes, None)
                .map_err(|error| anyhow!("the argon2 settings cannot be used: {error}"))?;
        Ok(Passwords {
            params,
            #[cfg(test)]
            verified: Default::default(),
        })
    }

    /// A new hash in PHC form, with a salt of its own. Takes some 50 ms of a core.
    pub(crate) fn hash(&self, password: &str) -> anyhow::Result<String> {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
        let hash = argon2
            .hash_password(password.as_bytes())
            .map_err(|error| anyhow!("argon2 failed: {error}"))?;
        Ok(hash.to_string())
    }

    /// Whether the password is the one that was hashed, at the cost that the hash says.
    pub(crate) fn verify(&self, password: &str, hash: &PasswordHash) -> bool {
        #[cfg(test)]
        self.verified.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Argon2::default().verify_password(password.as_bytes(), hash).is_ok()
    }

    /// Reads a hash in PHC form. Only argon2id, and only at a cost that we are ready to pay.
    pub(crate) fn parse(text: &str) -> anyhow::Result<PasswordHash> {
        let hash =
            PasswordHash::new(text).map_err(|error| anyhow!("it is no PHC string: {error}"))?;
        ensure!(
            hash.algorithm == Algorithm::Argon2id.ident(),
            "it is {} and not argon2id",
            hash.algorithm
        );
        ensure!(hash.version == Some(Version::V0x13.into()), "its argon2 version is not 19");
        ensure!(hash.salt.is_some(), "it has no salt");
        ensure!(hash.hash.as_ref().is_some_and(|output| output.len() >= 16), "it is cut short");
        let params = Params::try_from(&hash).map_err(|error| anyhow!("its cost: {error}"))?;
        let (memory, passes, lanes) = COST_MAX;
        ensure!(
            params.m_cost() <= memory && params.t_cost() <= passes && params.p_cost() <= lanes,
            "it costs more than m={memory},t={passes},p={lanes}"
        );
        Ok(hash)
    }

    /// Whether a hash has the configured cost. All hashes should: where costs differ, so do times, and those
    /// tell which names exist.
    pub(crate) fn is_current(&self, hash: &PasswordHash) -> bool {
        Params::try_from(hash).is_ok_and(|params| {
            (params.m_cost(), params.t_cost(), params.p_cost())
                == (self.params.m_cost(), self.params.t_cost(), self.params.p_cost())
        })
    }

    /// The configured cost, as PHC strings say it.
    pub(crate) fn cost(&self) -> String {
        let params = &self.params;
        format!("m={},t={},p={}", params.m_cost(), params.t_cost(), params.p_cost())
    }
}

/// A random password of 32 letters, digits, `-` and `_`: 192 bits.
pub(crate) fn generate() -> anyhow::Result<String> {
    use base64::Engine as _;
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).context("the system gives no random numbers")?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cheap() -> Passwords {
        let auth = Auth {
            cache_ttl_s: 300,
            verify_concurrency_max: 1,
            verify_queue_max: 1,
            argon2_memory_kib: 8,
            argon2_passes: 1,
            argon2_lanes: 1,
        };
        Passwords::new(&auth).unwrap()
    }

    #[test]
    fn a_hash_verifies_its_password_only() {
        let passwords = cheap();
        let text = passwords.hash("correct horse").unwrap();
        assert!(text.starts_with("$argon2id$v=19$m=8,t=1,p=1$"));
        assert_ne!(text, passwords.hash("correct horse").unwrap());
        let hash = Passwords::parse(&text).unwrap();
        assert!(
            passwords.verify("correct horse", &hash) && !passwords.verify("correct hors", &hash)
        );
        assert!(passwords.is_current(&hash));
    }

    #[test]
    fn hashes_that_are_weak_foreign_or_ruinous_are_refused() {
        let tail = "$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        Passwords::parse(&format!("$argon2id$v=19$m=19456,t=2,p=1{tail}")).unwrap();
        for head in [
            "$argon2i$v=19$m=19456,t=2,p=1",
            "$argon2id$v=16$m=19456,t=2,p=1",
            "$argon2id$v=19$m=4294967295,t=2,p=1",
            "$argon2id$v=19$m=19456,t=9999,p=1",
            "$scrypt$ln=15,r=8,p=1",
        ] {
            assert!(Passwords::parse(&format!("{head}{tail}")).is_err(), "{head}");
        }
        assert!(Passwords::parse("hunter2").is_err());
        assert!(Passwords::parse("$argon2id$v=19$m=19456,t=2,p=1").is_err());
    }

    #[test]
    fn generated_passwords_are_long_and_differ() {
        let (a, b) = (generate().unwrap(), generate().unwrap());
        assert!(a.len() == 32 && a != b);
    }
}
