//! Any bytes as the control file of a shared pool: refused, or looked at with every segment in one place.

/// The first byte says how the rest is used: as the file, or to write over the file of a small pool.
pub fn run(data: &[u8]) {
    #[cfg(target_os = "linux")]
    linux::run(data);
    #[cfg(not(target_os = "linux"))]
    let _ = data;
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;

    use headroom::pool::shared::{inspection::inspect, layout::Layout};

    pub fn run(data: &[u8]) {
        let Some((&[how, segments, clients], rest)) = data.split_first_chunk() else {
            return;
        };
        let bytes = if how % 2 == 0 {
            rest.to_vec()
        } else {
            written_over(segments, clients, rest)
        };
        let name = format!("headroom-fuzz-{}.control", std::process::id());
        let file = std::env::temp_dir().join(name);
        fs::write(&file, bytes).expect("a file of our own");
        let inspected = inspect(&file);
        fs::remove_file(&file).expect("the file is there");
        let Ok(pool) = inspected else { return };
        let clients = pool
            .clients
            .iter()
            .map(|client| client.held + client.lying)
            .sum::<u32>();
        assert_eq!(
            pool.free + pool.moving + pool.lost + clients,
            pool.segments,
            "{pool:?}"
        );
        let is_printable = |client: &headroom::pool::shared::inspection::ClientFigures| {
            !client.name.contains(char::is_control)
        };
        assert!(pool.clients.iter().all(is_printable));
    }

    /// A pool with some words written over: each is two bytes of its place and eight of its value.
    fn written_over(segments: u8, clients: u8, marks: &[u8]) -> Vec<u8> {
        let (segments, clients) = (u32::from(segments) + 1, u16::from(clients % 8) + 1);
        let layout = Layout::plan(64, segments, clients, 1).expect("a small pool");
        let length = usize::try_from(layout.control_bytes()).expect("a small file");
        let mut words = vec![0_u64; length / 8];
        for (place, word) in words.iter_mut().zip(layout.header()) {
            *place = word;
        }
        let (marks, _) = marks.as_chunks::<10>();
        for mark in marks {
            let [low, high, value @ ..] = *mark;
            let place = usize::from(u16::from_le_bytes([low, high])) % words.len();
            words[place] = u64::from_le_bytes(value);
        }
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }
}
