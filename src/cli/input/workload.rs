//! A Deployment, StatefulSet, Pod or Job whose container runs a TaskManager or a JobManager by Flink's own scripts.
//!
//! What counts, the later over the earlier: the configuration file of the image, or the ConfigMap that is mounted
//! in its place; `FLINK_PROPERTIES` and `TASK_MANAGER_NUMBER_OF_TASK_SLOTS`, which the image's entry point writes
//! into the file unless the file is mounted; `-D` arguments. The limit of the container is only a bound: Flink
//! does not read it.

use super::{
    cluster::{Found, Reader},
    image,
    node::{Node, Place, Shape},
    process::{Additions, Gathered, Lie, Passage, Places, ProcessDocument},
};
use crate::{
    budget::{Code, FlinkVersion, MilliCpu, Origin, Role, heap_environment, options},
    configuration::{Format, arguments, flink_properties},
    desired::At,
    quantity,
};

/// Where the pod spec of a kind lies; `None` for a kind that runs no pods.
pub(super) fn pod_path(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "Pod" => &["spec"],
        "Deployment"
        | "StatefulSet"
        | "DaemonSet"
        | "ReplicaSet"
        | "ReplicationController"
        | "Job" => &["spec", "template", "spec"],
        "CronJob" => &["spec", "jobTemplate", "spec", "template", "spec"],
        _ => return None,
    })
}

/// The containers of a pod that start a process of Flink, with their indices.
pub(super) fn processes(pod: &Node) -> Vec<(usize, &Node, Role)> {
    let containers = pod.child("containers").map_or(&[][..], Node::items);
    containers
        .iter()
        .enumerate()
        .filter_map(|(index, container)| Some((index, container, started(container)?)))
        .collect()
}

fn words(container: &Node) -> Vec<(String, &Node)> {
    let mut found = Vec::new();
    for field in ["command", "args"] {
        for item in container.child(field).map_or(&[][..], Node::items) {
            let text = item.scalar_text().unwrap_or_default();
            if text.contains([' ', '\n', '\t']) {
                found.extend(
                    arguments::shell_words(&text)
                        .into_iter()
                        .map(|word| (word, item)),
                );
            } else {
                found.push((text.into_owned(), item));
            }
        }
    }
    found
}

/// The process that a container starts.
fn started(container: &Node) -> Option<Role> {
    let words = words(container);
    let by_script = |name: &str| words.iter().any(|(word, _)| word.ends_with(name));
    if by_script("taskmanager.sh") {
        return Some(Role::TaskManager);
    }
    if by_script("jobmanager.sh") || by_script("standalone-job.sh") {
        return Some(Role::JobManager);
    }
    let role = |word: &str| match word {
        "taskmanager" => Some(Role::TaskManager),
        "jobmanager" | "standalone-job" => Some(Role::JobManager),
        _ => None,
    };
    // A custom image may have any name, so the argument alone tells, in the place where the entry point takes it.
    let entry_point = words
        .iter()
        .position(|(word, _)| word.ends_with("docker-entrypoint.sh"));
    let argument = words.get(entry_point.map_or(0, |index| index + 1));
    if let Some(role) = argument.and_then(|(word, _)| role(word)) {
        return Some(role);
    }
    let is_flink = entry_point.is_some()
        || container
            .child("image")
            .and_then(Node::text)
            .is_some_and(|image| image.contains("flink"));
    if !is_flink {
        return None;
    }
    // A TaskManager may name the host of its JobManager, which is often called jobmanager.
    let mut roles: Vec<Role> = words.iter().filter_map(|(word, _)| role(word)).collect();
    roles.sort_unstable();
    roles.first().copied()
}

/// The process of one container.
pub(super) fn read(
    found: &Found,
    pod: &Node,
    (path, container): (&str, &Node),
    role: Role,
    reader: &mut Reader<'_>,
) {
    let Some(version) = version(found, container, reader) else {
        return;
    };
    let mut gathered = Gathered::default();
    let environment = environment(container);
    let is_mounted = match add_files(found, pod, container, version.0, &mut gathered, reader) {
        Mounted::Nothing => false,
        Mounted::Files => true,
        Mounted::Unreadable => {
            reader.problems.append(&mut gathered.problems);
            let (request, conflicts) = gathered.into_request(version.0, role);
            if !conflicts.is_empty() {
                reader.processes.push(ProcessDocument {
                    conflicts,
                    is_solvable: false,
                    ..found.process(version, request)
                });
            }
            return;
        }
    };
    let mut additions = Additions::File;
    if !is_mounted {
        additions = Additions::Argument;
        for (key, value) in image::default_options(version.0, role) {
            let origin = Origin::File {
                file: image::default_file(version.0),
                line: None,
                column: None,
            };
            gathered.put(key, value, origin);
        }
    }
    let words = words(container);
    let has_entry_point = container.child("command").is_none()
        || words
            .iter()
            .any(|(word, _)| word.ends_with("docker-entrypoint.sh"));
    let is_written = !is_mounted && has_entry_point;
    let mut is_readable = true;
    for (name, node) in &environment {
        let is_entry_points = *name == "FLINK_PROPERTIES"
            || *name == "TASK_MANAGER_NUMBER_OF_TASK_SLOTS" && role == Role::TaskManager;
        if !is_entry_points {
            continue;
        }
        let Some(value) = node.child("value").and_then(Node::scalar_text) else {
            let problem = format!(
                "{name} comes from elsewhere, so what it says is not checked; write its value"
            );
            gathered
                .conflicts
                .push(unchecked(found, name, node, problem));
            continue;
        };
        let passage = passage(node.child("value").unwrap_or(node), &value, found);
        if !is_written {
            let reason = if is_mounted {
                "the mounted ConfigMap is read-only, and the entry point cannot write into it; move the options there"
            } else {
                "the command does not run the image's entry point; pass the options with -D"
            };
            let at = At::origin(name, "", passage.origin(Place { line: 1, column: 1 }));
            gathered.conflicts.push(at.warning(
                Code::IneffectiveOption,
                "no value",
                format!("{name} has no effect, because {reason}"),
            ));
            continue;
        }
        if *name == "FLINK_PROPERTIES" {
            is_readable &= gathered.add(flink_properties::read(&value, version.0), &passage, name);
            additions = Additions::File;
        } else if !environment
            .iter()
            .any(|(other, _)| *other == "FLINK_PROPERTIES")
            || gathered
                .setting(options::NUMBER_OF_TASK_SLOTS)
                .is_none_or(|setting| !is_of(setting, found))
        {
            // FLINK_PROPERTIES is written after it.
            let origin = passage.origin(Place { line: 1, column: 1 });
            gathered.put(options::NUMBER_OF_TASK_SLOTS, &value, origin);
        }
    }
    add_arguments(found, &words, &mut gathered);
    reader.problems.append(&mut gathered.problems);
    if !is_readable {
        return;
    }
    let limit_field = format!("{path}.resources.limits.memory");
    let mut limit = None;
    if let Some(node) = container
        .at(&["resources", "limits", "memory"])
        .filter(|node| !matches!(node.shape, Shape::Null))
    {
        let text = node.scalar_text().unwrap_or_default().into_owned();
        match quantity::parse_memory(&text) {
            Ok(bytes) => {
                limit = Some(bytes);
                if let Some(suspicion) = quantity::suspicious_memory(&text) {
                    let at = At::field(&limit_field, text);
                    let message = format!(
                        "{limit_field}: {}; did you mean {}?",
                        suspicion.reason,
                        suspicion.meant.join(" or ")
                    );
                    gathered.conflicts.push(at.warning(
                        Code::SuspiciousQuantity,
                        "an amount of memory",
                        message,
                    ));
                }
            }
            Err(error) => {
                let at = At::field(&limit_field, text);
                let message = format!("{limit_field}: {error}");
                gathered.conflicts.push(at.error(
                    Code::QuantityInvalid,
                    "a Kubernetes quantity",
                    message,
                ));
            }
        }
    }
    let heap = heap_of_environment(container, role);
    let (mut request, conflicts) = gathered.into_request(version.0, role);
    request.legacy_heap_environment = heap;
    request.container_limit = limit;
    // A quantity that cannot be read is refused by Kubernetes itself; no size depends on it.
    let quantity = |kind: &str, name: &str| {
        let node = container.at(&["resources", kind, name])?;
        node.scalar_text().map(std::borrow::Cow::into_owned)
    };
    request.memory_request = quantity("requests", "memory")
        .and_then(|text| quantity::parse_memory(&text).ok())
        .or(limit);
    request.cpu_limit = quantity("limits", "cpu").and_then(|text| MilliCpu::parse(&text).ok());
    reader.processes.push(ProcessDocument {
        conflicts,
        places: Places {
            limit: Some(limit_field),
            memory_request: Some(format!("{path}.resources.requests.memory")),
            environment: Some(format!("{path}.env[{}]", heap_environment(role))),
            process_size: None,
            additions,
        },
        ..found.process(version, request)
    });
}

fn is_of(setting: &crate::budget::Setting, found: &Found) -> bool {
    matches!(&setting.origin, Origin::File { file, .. } if *file == found.source.file)
}

fn version(
    found: &Found,
    container: &Node,
    reader: &mut Reader<'_>,
) -> Option<(FlinkVersion, String)> {
    let image = container
        .child("image")
        .and_then(Node::text)
        .unwrap_or_default();
    match image::version(image) {
        Some(Ok(version)) => Some((version, format!("image {image}"))),
        Some(Err(error)) => {
            let place = container
                .child("image")
                .map_or(container.place, |node| node.place);
            reader.problem(found, place, "image", error);
            None
        }
        None => reader.default_version(found, &format!("the image {image:?} names none")),
    }
}

/// The heap size of Flink 1.9 in the environment of a container.
pub(super) fn heap_of_environment(container: &Node, role: Role) -> Option<String> {
    let variable = heap_environment(role);
    let environment = environment(container).into_iter();
    let (_, node) = environment.rev().find(|(name, _)| *name == variable)?;
    let value = node.child("value").and_then(Node::scalar_text)?;
    Some(value.into_owned())
}

/// The environment variables of a container, as they are written.
fn environment(container: &Node) -> Vec<(&str, &Node)> {
    container
        .child("env")
        .map_or(&[][..], Node::items)
        .iter()
        .filter_map(|item| Some((item.child("name")?.text()?, item)))
        .collect()
}

fn passage(node: &Node, text: &str, found: &Found) -> Passage {
    Passage::of(node, text, &found.source, &found.lines)
}

fn unchecked(found: &Found, name: &str, node: &Node, message: String) -> crate::budget::Conflict {
    let passage = Passage {
        file: found.source.file.clone(),
        text: String::new(),
        lie: Lie::Inline(node.place),
    };
    At::origin(name, "", passage.origin(node.place)).warning(
        Code::ConfigurationIgnored,
        "a value",
        message,
    )
}

/// What is mounted over the configuration of the image.
enum Mounted {
    /// Nothing: the file of the image counts.
    Nothing,
    /// Configuration files, of which Flink reads one.
    Files,
    /// Something that makes it impossible to tell what Flink would do, or certain that it does not start.
    Unreadable,
}

/// Adds the ConfigMap that is mounted over the configuration of the image.
fn add_files(
    found: &Found,
    pod: &Node,
    container: &Node,
    version: FlinkVersion,
    gathered: &mut Gathered,
    reader: &mut Reader<'_>,
) -> Mounted {
    let mounts = container.child("volumeMounts").map_or(&[][..], Node::items);
    for mount in mounts {
        let text = |field: &str| mount.child(field).and_then(Node::text);
        let (Some(name), Some(mount_path)) = (text("name"), text("mountPath")) else {
            continue;
        };
        let last = mount_path
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default();
        let of_file = Format::of_file_name(last);
        if last != "conf" && of_file.is_none() {
            continue;
        }
        let volumes = pod.child("volumes").map_or(&[][..], Node::items);
        let Some(volume) = volumes
            .iter()
            .find(|volume| volume.child("name").and_then(Node::text) == Some(name))
        else {
            continue;
        };
        let projected = volume
            .at(&["projected", "sources"])
            .map_or(&[][..], Node::items);
        let sources = volume.child("configMap").into_iter().chain(
            projected
                .iter()
                .filter_map(|source| source.child("configMap")),
        );
        let mut files = Vec::new();
        let mut is_config_map = false;
        for source in sources {
            let Some(config_map) = source.child("name").and_then(Node::text) else {
                continue;
            };
            is_config_map = true;
            let Some(data) = reader.config_map(config_map, found.namespace().as_deref()) else {
                let message = format!(
                    "the ConfigMap {config_map} is mounted at {mount_path} and is not in the input; name the file that \
                     holds it too"
                );
                reader.problem(found, source.place, "configMap", message);
                return Mounted::Unreadable;
            };
            let of_mount = of_file.map(|format| (format, text("subPath").unwrap_or(last)));
            for format in [Format::ConfigYaml, Format::FlinkConfYaml] {
                let key = match of_mount {
                    Some((own, sub_path)) if own == format => key_of_path(source, sub_path),
                    Some(_) => continue,
                    None => key_of_path(source, format.file_name()),
                };
                if let Some(passage) = data.file(&key) {
                    files.push((
                        Some(format),
                        passage,
                        format!("{key} of the ConfigMap {config_map}"),
                    ));
                }
            }
        }
        if !is_config_map {
            continue;
        }
        if files.is_empty() {
            let message = format!(
                "what is mounted at {mount_path} holds neither config.yaml nor flink-conf.yaml, and Flink does not \
                 start without; add {}",
                Format::of(version).file_name()
            );
            let passage = Passage {
                file: found.source.file.clone(),
                text: String::new(),
                lie: Lie::Inline(mount.place),
            };
            let at = At::origin("volumeMounts", mount_path, passage.origin(mount.place));
            gathered.conflicts.push(at.error(
                Code::ConfigurationInvalid,
                Format::of(version).file_name(),
                message,
            ));
            return Mounted::Unreadable;
        }
        return if gathered.add_files(&files, version) {
            Mounted::Files
        } else {
            Mounted::Unreadable
        };
    }
    Mounted::Nothing
}

/// The key of a ConfigMap that is mounted under a name.
fn key_of_path(source: &Node, path: &str) -> String {
    let items = source.child("items").map_or(&[][..], Node::items);
    items
        .iter()
        .find(|item| item.child("path").and_then(Node::text) == Some(path))
        .and_then(|item| item.child("key").and_then(Node::text))
        .unwrap_or(path)
        .to_owned()
}

fn add_arguments(found: &Found, words: &[(String, &Node)], gathered: &mut Gathered) {
    let texts: Vec<&str> = words.iter().map(|(word, _)| word.as_str()).collect();
    for argument in arguments::read(&texts) {
        let place = words[argument.index].1.place;
        let passage = Passage {
            file: found.source.file.clone(),
            text: String::new(),
            lie: Lie::Inline(place),
        };
        if argument.value.contains('$') {
            let message = format!(
                "-D {} is {:?}, which is known only in the container; write the value itself to have it checked",
                argument.key, argument.value
            );
            let at = At::origin(
                &argument.key,
                argument.value.as_str(),
                passage.origin(place),
            );
            gathered
                .conflicts
                .push(at.warning(Code::ConfigurationIgnored, "a value", message));
            continue;
        }
        gathered.put(&argument.key, &argument.value, passage.origin(place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_starts_what_its_command_says() {
        use Role::{JobManager, TaskManager};
        for (container, expected) in [
            ("{image: flink, args: [taskmanager]}", Some(TaskManager)),
            ("{image: flink, args: [jobmanager]}", Some(JobManager)),
            (
                "{image: corp/job, args: [standalone-job, --job-id, a]}",
                Some(JobManager),
            ),
            // The host of the JobManager is no command.
            (
                "{image: flink, args: [taskmanager, --host, jobmanager]}",
                Some(TaskManager),
            ),
            (
                "{image: flink, command: [sh, -c, 'until nc -z jobmanager 6123; do sleep 1; done; taskmanager']}",
                Some(TaskManager),
            ),
            (
                "{image: x, command: [sh, -c, 'exec /docker-entrypoint.sh jobmanager taskmanager']}",
                Some(JobManager),
            ),
            (
                "{image: x, command: [/opt/flink/bin/jobmanager.sh, start-foreground]}",
                Some(JobManager),
            ),
            (
                "{image: x, command: [/opt/flink/bin/standalone-job.sh]}",
                Some(JobManager),
            ),
            (
                "{image: x, command: [/opt/flink/bin/taskmanager.sh, start-foreground]}",
                Some(TaskManager),
            ),
            ("{image: flink, args: [history-server]}", None),
            ("{image: corp/tool, args: [run, jobmanager]}", None),
            ("{image: flink}", None),
        ] {
            let node: Node = serde_saphyr::from_str(container).unwrap();
            assert_eq!(started(&node), expected, "{container}");
        }
    }

    #[test]
    fn the_heap_of_the_environment_is_that_of_the_process() {
        let container = "env: [{name: FLINK_TM_HEAP, value: 1g}, {name: FLINK_JM_HEAP, value: 2048}, \
                         {name: FLINK_TM_HEAP, value: 3g}, {name: OTHER, valueFrom: {}}]";
        let node: Node = serde_saphyr::from_str(container).unwrap();
        let heap = |role| heap_of_environment(&node, role);
        // Kubernetes takes the last of two variables of one name.
        assert_eq!(heap(Role::TaskManager).as_deref(), Some("3g"));
        assert_eq!(heap(Role::JobManager).as_deref(), Some("2048"));
    }
}
