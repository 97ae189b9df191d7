//! `headroom crd`: the definition of the resource, as it stands in `crds/`.

use super::{
    EXIT_SOUND, Reply,
    arguments::{Crd, RenderOutput},
    report::unwritable,
};
use crate::api::crd::{custom_resource_definition, custom_resource_definition_yaml};

pub(super) fn answer(command: &Crd) -> Reply {
    let sound = |output| Reply {
        output,
        exit: EXIT_SOUND,
        ..Reply::default()
    };
    match command.output {
        RenderOutput::Yaml => match custom_resource_definition_yaml() {
            Ok(text) => sound(text),
            Err(error) => unwritable(&error),
        },
        RenderOutput::Json => match serde_json::to_string_pretty(&custom_resource_definition()) {
            Ok(text) => sound(text + "\n"),
            Err(error) => unwritable(&error),
        },
    }
}
