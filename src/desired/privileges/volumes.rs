//! Which volumes of a pod template are refused.
//!
//! Free are the types that hold nothing but what the pool's author brings along, and ConfigMaps, which Kubernetes
//! itself treats as readable; what carries other people's data or reaches into the node is not.

use k8s_openapi::api::core::v1::Volume;

use super::{Allowance, Check};

impl Check<'_> {
    pub(super) fn volume(&mut self, path: &str, volume: &Volume) {
        // Destructured without `..`: a new volume type of Kubernetes does not compile until it is judged.
        let Volume {
            name,
            aws_elastic_block_store,
            azure_disk,
            azure_file,
            cephfs,
            cinder,
            config_map: _,
            csi,
            downward_api: _,
            empty_dir: _,
            ephemeral,
            fc,
            flex_volume,
            flocker,
            gce_persistent_disk,
            git_repo,
            glusterfs,
            host_path,
            image: _,
            iscsi,
            nfs,
            persistent_volume_claim,
            photon_persistent_disk,
            portworx_volume,
            projected,
            quobyte,
            rbd,
            scale_io,
            secret,
            storageos,
            vsphere_volume,
        } = volume;
        if let Some(source) = host_path {
            self.refuse(
                Allowance::HostPath,
                format!("{path}.hostPath"),
                &source.path,
                "mounts a path of the node",
            );
        }
        if let Some(source) = secret {
            let value = source.secret_name.as_deref().unwrap_or(name);
            self.refuse(
                Allowance::Secrets,
                format!("{path}.secret"),
                value,
                "reads a secret",
            );
        }
        if let Some(source) = persistent_volume_claim {
            let path = format!("{path}.persistentVolumeClaim");
            let why = "reads and writes the data of an existing claim";
            self.refuse(
                Allowance::PersistentVolumeClaims,
                path,
                &source.claim_name,
                why,
            );
        }
        if let Some(secret) = csi
            .as_ref()
            .and_then(|source| source.node_publish_secret_ref.as_ref())
        {
            self.refuse(
                Allowance::Secrets,
                format!("{path}.csi.nodePublishSecretRef"),
                &secret.name,
                "uses a secret",
            );
        }
        for (index, source) in projected
            .iter()
            .flat_map(|projected| projected.sources.iter().flatten())
            .enumerate()
        {
            let path = format!("{path}.projected.sources[{index}]");
            if let Some(secret) = &source.secret {
                self.refuse(
                    Allowance::Secrets,
                    format!("{path}.secret"),
                    &secret.name,
                    "reads a secret",
                );
            }
            if let Some(token) = &source.service_account_token {
                let why = "gives the pods a token of their service account";
                self.refuse(
                    Allowance::ServiceAccount,
                    format!("{path}.serviceAccountToken"),
                    &token.path,
                    why,
                );
            }
        }
        let claim = ephemeral
            .iter()
            .filter_map(|source| source.volume_claim_template.as_ref())
            .map(|template| &template.spec);
        for claim in claim {
            let path = format!("{path}.ephemeral.volumeClaimTemplate.spec");
            let why = "starts from data that exists already";
            let sources = [
                (
                    "dataSource",
                    claim.data_source.as_ref().map(|source| &source.name),
                ),
                (
                    "dataSourceRef",
                    claim.data_source_ref.as_ref().map(|source| &source.name),
                ),
                ("volumeName", claim.volume_name.as_ref()),
            ];
            for (field, source) in sources {
                if let Some(source) = source {
                    let path = format!("{path}.{field}");
                    self.refuse(Allowance::PersistentVolumeClaims, path, source, why);
                }
            }
        }
        let others = [
            ("awsElasticBlockStore", aws_elastic_block_store.is_some()),
            ("azureDisk", azure_disk.is_some()),
            ("azureFile", azure_file.is_some()),
            ("cephfs", cephfs.is_some()),
            ("cinder", cinder.is_some()),
            ("fc", fc.is_some()),
            ("flexVolume", flex_volume.is_some()),
            ("flocker", flocker.is_some()),
            ("gcePersistentDisk", gce_persistent_disk.is_some()),
            ("gitRepo", git_repo.is_some()),
            ("glusterfs", glusterfs.is_some()),
            ("iscsi", iscsi.is_some()),
            ("nfs", nfs.is_some()),
            ("photonPersistentDisk", photon_persistent_disk.is_some()),
            ("portworxVolume", portworx_volume.is_some()),
            ("quobyte", quobyte.is_some()),
            ("rbd", rbd.is_some()),
            ("scaleIO", scale_io.is_some()),
            ("storageos", storageos.is_some()),
            ("vsphereVolume", vsphere_volume.is_some()),
        ];
        for (kind, _) in others.into_iter().filter(|(_, present)| *present) {
            let why = "is a volume type outside the Pod Security level restricted";
            self.refuse(Allowance::OtherVolumes, format!("{path}.{kind}"), name, why);
        }
    }
}
