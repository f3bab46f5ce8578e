//! TLS towards providers: whose certificates are accepted.
//!
//! A certificate is signed by a root of the system or of the endpoint's `ca_file`, has the name that was dialled, and is
//! in its time. Where the endpoint pins some, it is also one of those: a pin takes away and gives nothing. One that is
//! signed by itself is put into `ca_file`, too.

use crate::blobs::Digest;
use anyhow::Context;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, OtherError, SignatureScheme};
use rustls_platform_verifier::Verifier;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How one endpoint's connections are made.
pub(super) fn config(
    ca_pem: Option<&str>,
    pinned: &BTreeSet<String>,
) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = CertificateDer::pem_slice_iter(ca_pem.unwrap_or_default().as_bytes());
    let roots: Vec<CertificateDer<'static>> = roots.collect::<Result<_, _>>()?;
    let chain = Verifier::new_with_extra_roots(roots, provider.clone())
        .context("there are no certificates to check those of providers with")?;
    let verifier: Arc<dyn ServerCertVerifier> = match pinned.is_empty() {
        true => Arc::new(chain),
        false => Arc::new(Pinned { chain, pinned: pinned.clone() }),
    };
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// Accepts what the chain is right for and the endpoint has named.
#[derive(Debug)]
struct Pinned {
    chain: Verifier,
    pinned: BTreeSet<String>,
}

/// The chain is right, and somebody else's.
#[derive(Debug, thiserror::Error)]
#[error(
    "the provider's certificate has the SHA-256 fingerprint {0}, which the endpoint's certificate_sha256 does not have; \
     if it is the provider's new one, ask the operator to add it"
)]
struct NotPinned(Digest);

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified =
            self.chain.verify_server_cert(certificate, intermediates, name, ocsp, now)?;
        let fingerprint = Digest::of(certificate);
        match self.pinned.contains(&fingerprint.to_string()) {
            true => Ok(verified),
            false => Err(rustls::Error::Other(OtherError(Arc::new(NotPinned(fingerprint))))),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
