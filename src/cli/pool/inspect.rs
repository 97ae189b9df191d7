//! `headroom pool inspect`: who holds what of a pool that processes share.

use std::{thread, time::Duration};

use super::{refused, table::table};
use crate::{
    bytes::Bytes,
    cli::{
        EXIT_SOUND, Reply, Stage,
        arguments::{Output, PoolInspect},
        report::{json_text, yaml_text},
        screen::{Screen, Tone},
        text::{counted, size},
    },
    pool::shared::inspection::{Inspection, inspect},
};

pub(super) fn answer(command: &PoolInspect, screen: &Screen, stage: &mut Stage<'_>) -> Reply {
    let look = || match inspect(&command.file) {
        Ok(inspection) => reply(&inspection, command, screen),
        Err(error) => refused(&error.to_string(), screen),
    };
    if !command.watch {
        return look();
    }
    loop {
        let reply = look();
        // The last words of a watch are why it ended.
        if reply.exit != EXIT_SOUND {
            return reply;
        }
        let written = if stage.is_terminal && command.output == Output::Text {
            write!(stage.output, "\u{1b}[H\u{1b}[2J{}", reply.output)
        } else {
            stage.output.write_all(reply.output.as_bytes())
        };
        if written.and_then(|()| stage.output.flush()).is_err() {
            // Nobody reads any more.
            return Reply::default();
        }
        thread::sleep(Duration::from_secs(command.interval.into()));
    }
}

fn reply(inspection: &Inspection, command: &PoolInspect, screen: &Screen) -> Reply {
    match command.output {
        Output::Json if command.watch => match serde_json::to_string(inspection) {
            Ok(line) => Reply {
                output: line + "\n",
                ..Reply::default()
            },
            Err(error) => refused(&error.to_string(), screen),
        },
        Output::Json => json_text(inspection, EXIT_SOUND),
        Output::Yaml => {
            let reply = yaml_text(inspection, EXIT_SOUND);
            let mark = if command.watch { "---\n" } else { "" };
            Reply {
                output: format!("{mark}{}", reply.output),
                ..reply
            }
        }
        Output::Text => Reply {
            output: written(inspection, screen),
            ..Reply::default()
        },
    }
}

fn written(inspection: &Inspection, screen: &Screen) -> String {
    let of = |count: u32| {
        let bytes = u64::from(count).saturating_mul(inspection.segment_bytes.into());
        format!("{count} ({})", size(Bytes(bytes)))
    };
    let taken = |number: fn(&_) -> u32| inspection.clients.iter().map(number).sum::<u32>();
    let mut text = format!(
        "{} of {}: {} held, {} lying in magazines, {} free",
        counted(inspection.segments as usize, "segment", "segments"),
        size(Bytes(inspection.segment_bytes.into())),
        of(taken(
            |client: &crate::pool::shared::inspection::ClientFigures| client.held
        )),
        of(taken(|client| client.lying)),
        of(inspection.free),
    );
    if inspection.moving > 0 {
        text.push_str(&format!(", {} changing hands", inspection.moving));
    }
    text.push('\n');
    if inspection.lost > 0 {
        text.push_str(&screen.paint(
            Tone::Warning,
            &format!(
                "{} nobody's; the agent puts them back with its next look",
                counted(inspection.lost as usize, "segment is", "segments are")
            ),
        ));
        text.push('\n');
    }
    if inspection.agents > 1 {
        text.push_str(&format!(
            "The agent was started {} times.\n",
            inspection.agents
        ));
    }
    if inspection.clients.is_empty() {
        text.push_str("No client has joined.\n");
        return text;
    }
    let rows: Vec<[String; 9]> = inspection
        .clients
        .iter()
        .map(|client| {
            [
                client.name.clone(),
                client.number.to_string(),
                client
                    .process
                    .map_or_else(|| "?".to_owned(), |process| process.to_string()),
                client.held.to_string(),
                client.lying.to_string(),
                client.required.to_string(),
                client.quota.to_string(),
                client.oldest.map_or_else(|| "-".to_owned(), age),
                client.waiting.to_string(),
            ]
        })
        .collect();
    text.push_str(&table(
        [
            "CLIENT", "NUMBER", "PROCESS", "HELD", "LYING", "REQUIRED", "QUOTA", "OLDEST",
            "WAITING",
        ],
        &rows,
        screen,
    ));
    text
}

/// An age as kubectl writes it: the two largest units.
fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0 => format!("{}ms", age.as_millis()),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::shared::inspection::ClientFigures;

    fn client(number: u16, name: &str, held: u32, oldest: Option<Duration>) -> ClientFigures {
        ClientFigures {
            number,
            name: name.to_owned(),
            process: (number == 1).then_some(4711),
            required: 16,
            quota: 128,
            held,
            lying: 32,
            oldest,
            waiting: number.into(),
        }
    }

    const SCREEN: Screen = Screen {
        width: 100,
        is_coloured: false,
    };

    #[test]
    fn a_pool_is_shown_with_its_clients() {
        let inspection = Inspection {
            agents: 2,
            segment_bytes: 32 << 10,
            segments: 2048,
            free: 1900,
            moving: 3,
            lost: 1,
            clients: vec![
                client(1, "sort", 80, Some(Duration::from_secs(75))),
                client(12, "python-worker", 0, None),
            ],
        };
        assert_eq!(
            written(&inspection, &SCREEN),
            "\
2048 segments of 32 KiB: 80 (2.50 MiB) held, 64 (2 MiB) lying in magazines, 1900 (59.38 MiB) free, 3 changing hands
1 segment is nobody's; the agent puts them back with its next look
The agent was started 2 times.
CLIENT         NUMBER  PROCESS  HELD  LYING  REQUIRED  QUOTA  OLDEST  WAITING
sort                1     4711    80     32        16    128   1m15s  1
python-worker      12        ?     0     32        16    128       -  12
"
        );
    }

    #[test]
    fn ages_have_two_units() {
        let told = |seconds| age(Duration::from_secs(seconds));
        assert_eq!(age(Duration::from_millis(37)), "37ms");
        assert_eq!(
            [59, 60, 3599, 3600, 86_399, 86_400].map(told),
            ["59s", "1m0s", "59m59s", "1h0m", "23h59m", "1d0h"]
        );
    }
}
