//! Makes the certificates and keys of one control plane.
//!
//! Two authorities, as Kubernetes asks for: one for clients and servers, and another one for the
//! front proxy, because whoever holds a front-proxy certificate may claim to be any user.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};

/// The user names that reach the API server by certificate, as `CN`, with their groups, as `O`.
pub const CLIENTS: [(Client, &str, &str); 4] = [
    (Client::Admin, "admin", "system:masters"),
    (
        Client::ControllerManager,
        "system:kube-controller-manager",
        "",
    ),
    (Client::Scheduler, "system:kube-scheduler", ""),
    // kwok stands in for every kubelet, so it may do what any of them may; its name tells it apart.
    (Client::Kwok, "kwok", "system:masters"),
];

/// Who a client certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// The person or test that owns the cluster.
    Admin,
    /// kube-controller-manager.
    ControllerManager,
    /// kube-scheduler.
    Scheduler,
    /// kwok.
    Kwok,
}

/// A certificate and its private key, in PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,

    /// The private key, in PKCS#8.
    pub key: String,
}

/// Everything that was made; servers get the files, kubeconfigs the text.
#[derive(Debug)]
pub struct Pki {
    directory: PathBuf,
    authority: String,
    clients: Vec<(Client, Identity)>,
}

impl Pki {
    /// Makes all keys and certificates, and writes those that servers read into `directory`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn create(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory)
            .with_context(|| format!("failed to create {}", directory.display()))?;
        let authority = authority("kubernetes")?;
        let front_proxy_authority = self::authority("front-proxy")?;

        let server = issue(
            &authority,
            "kube-apiserver",
            "",
            ExtendedKeyUsagePurpose::ServerAuth,
            &[
                "127.0.0.1",
                "10.96.0.1",
                "localhost",
                "kubernetes.default.svc",
                "kubernetes.default",
            ],
        )?;
        let front_proxy = issue(
            &front_proxy_authority,
            "front-proxy",
            "",
            ExtendedKeyUsagePurpose::ClientAuth,
            &[],
        )?;
        let kubelet_client = issue(
            &authority,
            "kube-apiserver-kubelet-client",
            "system:masters",
            ExtendedKeyUsagePurpose::ClientAuth,
            &[],
        )?;
        let clients = CLIENTS
            .iter()
            .map(|(client, name, group)| {
                Ok((
                    *client,
                    issue(
                        &authority,
                        name,
                        group,
                        ExtendedKeyUsagePurpose::ClientAuth,
                        &[],
                    )?,
                ))
            })
            .collect::<Result<Vec<_>>>()?;
        let service_account =
            KeyPair::generate().context("failed to make the service account key")?;

        let files = [
            ("ca.crt", authority.pem()),
            ("front-proxy-ca.crt", front_proxy_authority.pem()),
            ("apiserver.crt", server.certificate),
            ("apiserver.key", server.key),
            ("front-proxy.crt", front_proxy.certificate),
            ("front-proxy.key", front_proxy.key),
            ("kubelet-client.crt", kubelet_client.certificate),
            ("kubelet-client.key", kubelet_client.key),
            ("service-account.key", service_account.serialize_pem()),
            ("service-account.pub", service_account.public_key_pem()),
        ];
        for (name, text) in &files {
            write_private(&directory.join(name), text)?;
        }
        Ok(Self {
            directory: directory.to_owned(),
            authority: authority.pem(),
            clients,
        })
    }

    /// The path of one of the files that servers read.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The certificate that a client checks the API server by.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// A client's certificate and key.
    #[must_use]
    pub fn client(&self, client: Client) -> &Identity {
        let found = self.clients.iter().find(|(made, _)| *made == client);
        &found.expect("every client in CLIENTS got a certificate").1
    }
}

/// Writes a file that only its owner can read, in place of any older one.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    let write = || -> std::io::Result<()> {
        // Under another name first: whoever reads the file sees the whole old or the whole new one.
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}", std::process::id()));
        let new = path.with_file_name(name);
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&new, path)
    };
    write().with_context(|| format!("failed to write {}", path.display()))
}

fn authority(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished_name(name, "");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let key = KeyPair::generate()
        .with_context(|| format!("failed to make the key of authority {name}"))?;
    CertifiedIssuer::self_signed(params, key)
        .with_context(|| format!("failed to make the authority {name}"))
}

fn issue(
    authority: &CertifiedIssuer<'_, KeyPair>,
    name: &str,
    group: &str,
    usage: ExtendedKeyUsagePurpose,
    alternative_names: &[&str],
) -> Result<Identity> {
    let names: Vec<String> = alternative_names.iter().map(ToString::to_string).collect();
    let make = || -> Result<Identity, rcgen::Error> {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = distinguished_name(name, group);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, authority)?;
        Ok(Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    };
    make().with_context(|| format!("failed to make the certificate of {name}"))
}

fn distinguished_name(name: &str, group: &str) -> DistinguishedName {
    let mut distinguished_name = DistinguishedName::new();
    if !group.is_empty() {
        distinguished_name.push(DnType::OrganizationName, group);
    }
    distinguished_name.push(DnType::CommonName, name);
    distinguished_name
}
