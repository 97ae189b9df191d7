//! What consumers of managed memory get, for people.

use super::{Consumption, Native, Sharing};
use crate::{
    budget::rocksdb::MemorySource,
    bytes::Bytes,
    cli::{
        screen::{Screen, Tone, aligned, columns, harmless, padded},
        text::{self, counted, exact, size},
    },
};

pub(super) fn written(sharing: &Sharing, screen: &Screen) -> String {
    let mut text = sharing.heading.clone();
    text.push('\n');
    if let Some(error) = &sharing.error {
        let first = format!("{} ", screen.paint(Tone::Error, "error:"));
        text::push_wrapped(&mut text, &first, "  ", &harmless(error), screen);
        return text;
    }
    let Some(memory) = &sharing.memory else {
        return text;
    };
    let sentence = format!(
        "Managed memory of {} in {}: {} each, {} pages of {}.",
        exact(memory.managed_bytes),
        counted(
            usize::try_from(memory.slots).unwrap_or(usize::MAX),
            "slot",
            "slots"
        ),
        exact(memory.slot.bytes),
        memory.slot.pages,
        size(memory.page_size_bytes)
    );
    text::push_wrapped(&mut text, "", "  ", &sentence, screen);
    text.push('\n');
    text.push_str(&consumers(&memory.consumers, screen));
    if let Some(native) = &memory.state_backend {
        text.push_str(&native_text(native, screen));
    }
    text
}

fn consumers(consumers: &[Consumption], screen: &Screen) -> String {
    if consumers.is_empty() {
        return "No consumer takes managed memory.\n".to_owned();
    }
    let head = [
        "CONSUMER",
        "WEIGHT",
        "SHARE OF A SLOT",
        "SIZE",
        "BYTES",
        "HOW",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    for consumer in consumers {
        rows.push([
            consumer.use_case.as_str().to_owned(),
            consumer
                .weight
                .map_or_else(|| "none".to_owned(), |weight| weight.to_string()),
            consumer.share.to_string(),
            consumer.bytes.map_or_else(|| "fails".to_owned(), size),
            consumer
                .bytes
                .map_or_else(String::new, |bytes| bytes.get().to_string()),
            match consumer.pages {
                Some(pages) => format!("{pages} pages, divided among operators"),
                None => "shared by all operators of the slot".to_owned(),
            },
        ]);
    }
    let widths: Vec<usize> = (0..5)
        .map(|column| {
            let cells = rows.iter().map(|row| columns(&row[column]));
            cells.max().unwrap_or_default()
        })
        .collect();
    let mut table = String::new();
    for (index, row) in rows.iter().enumerate() {
        let mut line = padded(&row[0], widths[0]);
        for column in 1..5 {
            line.push_str("  ");
            line.push_str(&aligned(&row[column], widths[column]));
        }
        line.push_str("  ");
        line.push_str(&row[5]);
        if index == 0 {
            line = screen.paint(Tone::Strong, &line);
        }
        table.push_str(&line);
        table.push('\n');
    }
    for consumer in consumers {
        if let Some(error) = &consumer.error {
            let first = format!("{} ", screen.paint(Tone::Error, "error:"));
            let message = format!("{}: {}", consumer.use_case.as_str(), error.message);
            text::push_wrapped(&mut table, &first, "  ", &message, screen);
        }
    }
    table
}

fn native_text(native: &Native, screen: &Screen) -> String {
    let of = match native.source {
        MemorySource::FixedPerSlot(_) => "a fixed size for each slot, outside managed memory",
        MemorySource::Managed => "its share of each slot's managed memory",
        MemorySource::FixedPerTaskManager(_) => {
            "a fixed size for the TaskManager, outside managed memory"
        }
        MemorySource::Unbounded => "no size that bounds it",
    };
    let mut text = text::section(&format!("{}: {of}", native.backend), screen);
    let mut rows: Vec<(&str, Bytes, String)> = Vec::new();
    if let Some(cache) = &native.cache {
        let ratios = native.ratios;
        rows.push((
            "memory",
            cache.total,
            format!("for {}", caches(native.caches)),
        ));
        rows.push((
            "block cache",
            cache.cache,
            format!(
                "(3 − {0}) / 3; {1} of it kept for indexes and filters",
                ratios.write_buffer, ratios.high_priority_pool
            ),
        ));
        rows.push((
            "write buffers",
            cache.write_buffers,
            format!(
                "2 × {} / 3, charged to the cache; flushed above {}",
                ratios.write_buffer,
                size(cache.mutable_limit)
            ),
        ));
    }
    rows.push((
        "arena block",
        native.arena_block_bytes,
        match native.arena_block_fits {
            Some(true) => "a write buffer grows by it; it fits".to_owned(),
            Some(false) => "a write buffer grows by it; it does not fit".to_owned(),
            None => "a write buffer grows by it".to_owned(),
        },
    ));
    push_rows(&mut text, &rows);
    let load = &native.load;
    text.push_str(&text::section(
        &format!(
            "Beyond that, with {}, {} and {}",
            counted(load.databases as usize, "database", "databases"),
            counted(
                load.column_families as usize,
                "column family",
                "column families"
            ),
            counted(load.iterators as usize, "open iterator", "open iterators")
        ),
        screen,
    ));
    let mut rows: Vec<(&str, Bytes, String)> = Vec::new();
    if let Some(overshoot) = &native.overshoot {
        rows.push((
            "beyond the cache",
            overshoot.beyond_cache,
            format!(
                "each: {} of write buffers, {} pinned",
                size(overshoot.write_buffers),
                size(overshoot.pinned)
            ),
        ));
        rows.push((
            "beside the cache",
            overshoot.beside_cache,
            "each: write batches, blocks that are being read".to_owned(),
        ));
    }
    rows.push((
        "background jobs",
        native.background_bytes,
        "for the process: flushes and compactions".to_owned(),
    ));
    rows.push((
        "reserve",
        native.reserve_bytes,
        "what to hold back for all of it".to_owned(),
    ));
    push_rows(&mut text, &rows);
    for warning in &native.warnings {
        let first = format!("{} ", screen.paint(Tone::Warning, "warning:"));
        text.push('\n');
        text::push_wrapped(&mut text, &first, "  ", warning, screen);
    }
    text
}

fn caches(count: u64) -> String {
    match count {
        1 => "the one cache".to_owned(),
        _ => format!("each of {count} caches"),
    }
}

fn push_rows(text: &mut String, rows: &[(&str, Bytes, String)]) {
    let names = rows
        .iter()
        .map(|(name, ..)| columns(name))
        .max()
        .unwrap_or_default();
    let sizes = rows
        .iter()
        .map(|(_, bytes, _)| columns(&size(*bytes)))
        .max();
    let counts = rows
        .iter()
        .map(|(_, bytes, _)| bytes.get().to_string().len())
        .max();
    for (name, bytes, note) in rows {
        text.push_str(&format!(
            "  {}  {}  {}  {note}\n",
            padded(name, names),
            aligned(&size(*bytes), sizes.unwrap_or_default()),
            aligned(&bytes.get().to_string(), counts.unwrap_or_default())
        ));
    }
}
