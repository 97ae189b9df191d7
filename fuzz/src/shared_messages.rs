//! Any bytes on the socket of a shared pool: messages of either side, which are written as they were read, or an error.

/// The input is what came over the socket.
pub fn run(data: &[u8]) {
    #[cfg(target_os = "linux")]
    headroom::pool::shared::read_back(data).expect("what was read is written the same");
    #[cfg(not(target_os = "linux"))]
    let _ = data;
}
