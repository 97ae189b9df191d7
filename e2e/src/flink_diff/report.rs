//! What a comparison found, in words.

use std::fmt::Write as _;

use super::{Comparison, coverage};

impl Comparison {
    /// Whether both sides agree everywhere, and every rule that can be hit was.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.mismatched == 0
            && self.coverage.missed(self.release).is_empty()
            && self.coverage.unlisted(self.release).is_empty()
    }

    /// The whole report: counts, mismatches with the command that shows them, rules, times.
    #[must_use]
    pub fn report(&self) -> String {
        let rules = coverage::rules(self.release);
        let reachable = rules
            .iter()
            .filter(|rule| rule.unreachable.is_none())
            .count();
        let mut text = format!(
            "Flink {}: {} questions, {} agree, {} mismatches, {} of {reachable} rules exercised, {:.0} s\n",
            self.release,
            self.questions,
            self.questions - self.mismatched,
            self.mismatched,
            self.coverage.hit(),
            self.seconds,
        );
        if let Some(timing) = &self.timing {
            let _ = writeln!(
                text,
                "  one derivation: Flink {:.0} ns, Headroom {:.0} ns; of those that solve: Flink {:.0} ns, Headroom {:.0} ns",
                timing.flink.nanoseconds,
                timing.headroom,
                timing.flink.solved_nanoseconds,
                timing.headroom_solved
            );
        }
        for mismatch in &self.mismatches {
            let _ = writeln!(
                text,
                "  mismatch: {}",
                mismatch.question.command(self.release.name)
            );
            for difference in &mismatch.differences {
                let _ = writeln!(text, "    {difference}");
            }
        }
        for name in self.coverage.missed(self.release) {
            let _ = writeln!(text, "  never exercised: {name}");
        }
        for name in self.coverage.unlisted(self.release) {
            let _ = writeln!(
                text,
                "  exercised, but not listed as a rule that can be: {name}"
            );
        }
        text
    }

    /// The rules that nothing can exercise, with the reasons, and how often the rarest of the others were.
    #[must_use]
    pub fn details(&self) -> String {
        let mut text = String::new();
        for rule in coverage::rules(self.release) {
            if let Some(reason) = rule.unreachable {
                let _ = writeln!(text, "  cannot be exercised: {} ({reason})", rule.name);
            }
        }
        for (name, count) in self.coverage.rarest() {
            let _ = writeln!(text, "  exercised {count} times: {name}");
        }
        text
    }
}
