//! What the name of a Flink image says, and what lies in the image.

use crate::{
    budget::{FlinkVersion, Role, options},
    configuration::Format,
};

/// The version that the tag of an official image names, `flink:2.1.0-scala_2.12-java17`, wherever it is mirrored.
///
/// `None` for an image of another name, whose tag counts something else, and for a tag without a version.
pub(super) fn version(image: &str) -> Option<Result<FlinkVersion, String>> {
    let plain = image.split('@').next().unwrap_or_default();
    let name = plain.rsplit('/').next().unwrap_or_default();
    let (name, tag) = name.split_once(':')?;
    if name != "flink" || !tag.starts_with(|character: char| character.is_ascii_digit()) {
        return None;
    }
    let version = tag.split('-').next().unwrap_or_default();
    Some(
        version
            .parse()
            .map_err(|error: crate::budget::UnsupportedFlinkVersion| error.to_string()),
    )
}

/// The memory options of a process in the configuration file of the image, which counts where no other file takes
/// its place.
pub(super) fn default_options(
    version: FlinkVersion,
    role: Role,
) -> &'static [(&'static str, &'static str)] {
    match (role, version) {
        (Role::TaskManager, FlinkVersion::V1_10) => &[
            (options::PROCESS_SIZE, "1568m"),
            (options::NUMBER_OF_TASK_SLOTS, "1"),
        ],
        (Role::TaskManager, _) => &[
            (options::PROCESS_SIZE, "1728m"),
            (options::NUMBER_OF_TASK_SLOTS, "1"),
        ],
        (Role::JobManager, FlinkVersion::V1_10) => &[(options::JOBMANAGER_HEAP_SIZE, "1024m")],
        (Role::JobManager, _) => &[(options::JOBMANAGER_PROCESS_SIZE, "1600m")],
    }
}

/// What people call the configuration file of the image.
pub(super) fn default_file(version: FlinkVersion) -> String {
    format!("{} of the image", Format::of(version).file_name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_tag_of_an_official_image_is_a_version() {
        for image in [
            "flink:1.20",
            "apache/flink:1.20.1-scala_2.12-java17",
            "mirror:5000/x/flink:1.20-java11@sha256:00",
        ] {
            assert_eq!(version(image), Some(Ok(FlinkVersion::V1_20)), "{image}");
        }
        for image in [
            "flink",
            "flink:latest",
            "corp/job:1.20",
            "corp/flink-job:1.20",
            "flink@sha256:00",
            "",
        ] {
            assert_eq!(version(image), None, "{image}");
        }
        assert!(version("flink:1.8.2").is_some_and(|version| version.is_err()));
    }
}
