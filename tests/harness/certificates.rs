//! Certificates that are made for one test: an authority, and what providers have.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Who signs.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What a provider has: a certificate and its key.
pub struct Identity {
    certificate: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).expect("they are names or addresses")
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

impl Authority {
    /// One that nobody knows yet.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new() -> Authority {
        let mut params = params(&[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority for tests");
        Authority(CertifiedIssuer::self_signed(params, key()).expect("it can sign itself"))
    }

    /// Its certificate, for `ca_file`.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Signs a certificate for these names and addresses.
    pub fn identity(&self, names: &[&str]) -> Identity {
        self.sign(params(names))
    }

    /// As [`Authority::identity`], until the end of 2001.
    pub fn expired_identity(&self, names: &[&str]) -> Identity {
        let mut params = params(names);
        (params.not_before, params.not_after) =
            (date_time_ymd(2001, 1, 1), date_time_ymd(2001, 12, 31));
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Identity {
        let key = key();
        let signed = params.signed_by(&key, &self.0).expect("it can sign");
        Identity { certificate: signed.der().clone(), pem: signed.pem(), key }
    }
}

impl Default for Authority {
    fn default() -> Authority {
        Authority::new()
    }
}

impl Identity {
    /// One that nobody but itself has signed.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn self_signed(names: &[&str]) -> Identity {
        let key = key();
        let signed = params(names).self_signed(&key).expect("it can sign itself");
        Identity { certificate: signed.der().clone(), pem: signed.pem(), key }
    }

    /// Its certificate, for `ca_file`.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// SHA-256 of its certificate, in lower-case hex.
    pub fn fingerprint(&self) -> String {
        Sha256::digest(&self.certificate).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// How a client speaks TLS that trusts this identity, and no other.
    ///
    /// # Panics
    /// When it cannot.
    pub fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("it is a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("there are versions");
        Arc::new(config.with_root_certificates(roots).with_no_client_auth())
    }

    /// How a server of this identity speaks TLS.
    ///
    /// # Panics
    /// When it cannot.
    pub fn server(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).expect("it is a key");
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("there are versions")
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key);
        Arc::new(config.expect("the key is the certificate's"))
    }
}
