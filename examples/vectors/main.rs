//! Compares Headroom with recorded answers of real Flink: `cargo run --release --example vectors -- FILE…`.
//!
//! Prints the first mismatches, and last `N passed, M failed, 0 skipped`: a line that asks what there is no model for
//! is an error. Exits with 1 on a mismatch and with 2 when a file can't be read.

mod check;

use std::process::ExitCode;

use check::Outcome;

/// How many mismatches are shown in full.
const SHOWN: usize = 10;

fn main() -> ExitCode {
    let files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        eprintln!("usage: vectors FILE…");
        return ExitCode::from(2);
    }
    let (mut passed, mut failed) = (0_usize, 0_usize);
    for file in &files {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                eprintln!("{file}: {error}");
                return ExitCode::from(2);
            }
        };
        for (index, line) in text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
        {
            match check::line(line) {
                Err(error) => {
                    eprintln!("{file}:{}: {error}", index + 1);
                    return ExitCode::from(2);
                }
                Ok(Outcome::Passed) => passed += 1,
                Ok(Outcome::Failed { id, differences }) => {
                    failed += 1;
                    if failed <= SHOWN {
                        println!("{file}:{}: {id}", index + 1);
                        differences
                            .iter()
                            .for_each(|difference| println!("  {difference}"));
                    }
                }
            }
        }
    }
    if failed > SHOWN {
        println!("… and {} more", failed - SHOWN);
    }
    println!("{passed} passed, {failed} failed, 0 skipped");
    ExitCode::from(u8::from(failed > 0))
}
