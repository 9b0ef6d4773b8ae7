//! `tls: {ca_file, cert_file, key_file}`: whom a connection trusts, and who it says it is.
//!
//! The files are read with the pipeline file, so that what is wrong with them is found before the start. The system's
//! certificates are read when the source starts: they belong to the machine, not to the pipeline.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::raw::fault::Faults;
use crate::raw::mapping::{Key, Mapping};
use crate::raw::node::Node;
use crate::raw::place::Text;

const fn key(name: &'static str, help: &'static str, default: &'static str) -> Key {
    Key { name, wanted: "a path", required: false, help, default: Some(default) }
}

/// The keys of `tls`.
pub static KEYS: &[Key] = &[
    key(
        "ca_file",
        "The PEM file of the certificates that are trusted, instead of those of the system.",
        "those of the system",
    ),
    key(
        "cert_file",
        "The PEM file of the client's certificate, with those in between.",
        "no client certificate",
    ),
    key("key_file", "The PEM file of the client's private key.", "no client certificate"),
];

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Who is trusted; `None`: whom the system trusts.
    roots: Option<Arc<RootCertStore>>,
    client: Option<Arc<Client>>,
}

/// Who we are.
#[derive(Debug)]
struct Client {
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Settings {
    /// Reads the value of `tls`, and the files it names.
    pub fn read(node: &Node, faults: &mut Faults) -> Option<Settings> {
        let keys = Mapping::read(node, "tls", &[KEYS], faults)?;
        let before = faults.len();
        let roots = keys.text("ca_file", faults).and_then(|file| roots(file, faults));
        let certificates = keys.text("cert_file", faults).and_then(|file| certificates(file, faults));
        let key = keys.text("key_file", faults).and_then(|file| private_key(file, faults));
        for (one, other) in [("cert_file", "key_file"), ("key_file", "cert_file")] {
            if let (Some(written), None) = (keys.key(one), keys.key(other)) {
                let help = format!("add `{other}:`, or leave out both");
                faults.add_with_help(written.place, format!("`{one}` without `{other}`"), help);
            }
        }
        if faults.len() > before {
            return None;
        }
        let client = certificates.zip(key).map(|(certificates, key)| Arc::new(Client { certificates, key }));
        let settings = Settings { roots: roots.map(Arc::new), client };
        // Whether the key belongs to the certificate does not depend on who is trusted.
        match (settings.with_roots(Arc::new(RootCertStore::empty())), keys.key("key_file")) {
            (Err(error), Some(written)) => {
                let problem = format!("the client certificate cannot be used: {error}");
                faults.add_with_help(written.place, problem, "the key must be that of the first certificate");
                None
            }
            _ => Some(settings),
        }
    }

    /// Whether there is a client certificate.
    pub fn has_client(&self) -> bool {
        self.client.is_some()
    }

    /// What connections need.
    ///
    /// # Errors
    /// None that [`read`](Settings::read) would not have found.
    pub fn client_config(&self) -> Result<ClientConfig, rustls::Error> {
        self.with_roots(self.roots.clone().unwrap_or_else(|| Arc::new(system())))
    }

    fn with_roots(&self, roots: Arc<RootCertStore>) -> Result<ClientConfig, rustls::Error> {
        // The provider is named: one for the whole process could be set by whoever comes first.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let builder = builder.with_root_certificates(roots);
        let mut config = match self.client.as_deref() {
            None => builder.with_no_client_auth(),
            Some(Client { certificates, key }) => {
                builder.with_client_auth_cert(certificates.clone(), key.clone_key())?
            }
        };
        // A server that has HTTP/2 as well must not choose it.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// Whom the system trusts. Nobody, where it has no certificates: a server's is then refused, which is told.
fn system() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a file of the system's certificates cannot be read");
    }
    let mut roots = RootCertStore::empty();
    let (used, ignored) = roots.add_parsable_certificates(found.certs);
    tracing::debug!(used, ignored, "the system's certificates are read");
    roots
}

fn roots(file: &Text, faults: &mut Faults) -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let problem = match roots.add_parsable_certificates(certificates(file, faults)?) {
        (0, _) => Some("none of its certificates can be used".to_owned()),
        (_, 0) => None,
        (_, ignored) => Some(format!("{ignored} of its certificates cannot be used")),
    };
    match problem {
        None => Some(roots),
        Some(problem) => {
            faults.add(file.place, format!("the certificates are not as they should be: {problem}"));
            None
        }
    }
}

fn certificates(file: &Text, faults: &mut Faults) -> Option<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path(file, faults)?).and_then(Iterator::collect);
    match read {
        Ok(certificates) if Vec::is_empty(&certificates) => {
            refuse(file, "the certificates", &pem::Error::NoItemsFound, faults)
        }
        Ok(certificates) => Some(certificates),
        Err(error) => refuse(file, "the certificates", &error, faults),
    }
}

fn private_key(file: &Text, faults: &mut Faults) -> Option<PrivateKeyDer<'static>> {
    let path = path(file, faults)?;
    PrivateKeyDer::from_pem_file(path).map_or_else(|error| refuse(file, "the key", &error, faults), Some)
}

/// Where a file is: a pipe would be waited for.
fn path(file: &Text, faults: &mut Faults) -> Option<PathBuf> {
    let folder = Path::new(faults.name(file.place.file)).parent().unwrap_or(Path::new(""));
    let path = folder.join(&file.text);
    let problem = match std::fs::metadata(&path) {
        Ok(found) if found.is_file() => return Some(path),
        Ok(_) => "not a file".to_owned(),
        Err(error) => error.to_string(),
    };
    let help = "a path that does not begin with `/` begins at the folder of the pipeline file";
    faults.add_with_help(file.place, format!("the file cannot be read: {problem}"), help);
    None
}

fn refuse<T>(file: &Text, what: &str, error: &pem::Error, faults: &mut Faults) -> Option<T> {
    let problem = match error {
        pem::Error::NoItemsFound => "there are none in the file".to_owned(),
        other => other.to_string(),
    };
    let help =
        "PEM is wanted: `-----BEGIN CERTIFICATE-----`, or `-----BEGIN PRIVATE KEY-----` without a password";
    faults.add_with_help(file.place, format!("{what} cannot be read: {problem}"), help);
    None
}
