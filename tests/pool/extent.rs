//! Contiguous extents against a model that knows of every page whether it is taken.

use headroom::pool::extent::{Extent, Fit, FreeExtents, FreeSpace};
use proptest::prelude::*;

/// A page is taken or not, and everything else is counted anew each time.
struct Model(Vec<bool>);

impl Model {
    fn free(&self) -> Vec<Extent> {
        let mut extents: Vec<Extent> = Vec::new();
        for (page, taken) in self.0.iter().enumerate() {
            let page = u32::try_from(page).unwrap();
            match extents.last_mut() {
                _ if *taken => {}
                Some(last) if last.start + last.pages == page => last.pages += 1,
                _ => extents.push(Extent {
                    start: page,
                    pages: 1,
                }),
            }
        }
        extents
    }

    fn mark(&mut self, extent: Extent, taken: bool) {
        for page in extent.start..extent.start + extent.pages {
            assert_ne!(
                std::mem::replace(&mut self.0[page as usize], taken),
                taken,
                "page {page}"
            );
        }
    }

    fn free_space(&self) -> FreeSpace {
        let free = self.free();
        FreeSpace {
            pages: free.iter().map(|extent| extent.pages).sum(),
            largest: free.iter().map(|extent| extent.pages).max().unwrap_or(0),
            extents: u32::try_from(free.len()).unwrap(),
        }
    }
}

/// Marks what was taken, all of which was free, and holds it.
fn take(model: &mut Model, held: &mut Vec<Extent>, taken: Option<Extent>) {
    if let Some(taken) = taken {
        model.mark(taken, true);
        held.push(taken);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Take(u32, Fit),
    TakeSome(u32),
    /// Releases one of the extents that are held, or a part of it.
    Release {
        which: prop::sample::Index,
        skip: u32,
        pages: u32,
    },
    /// Releases whatever lies there.
    ReleaseAny(Extent),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pages = prop_oneof![4 => 1_u32..6, 1 => 0_u32..80];
    let fit = prop_oneof![Just(Fit::First), Just(Fit::Best)];
    let step = prop_oneof![
        6 => (pages.clone(), fit).prop_map(|(pages, fit)| Step::Take(pages, fit)),
        2 => pages.clone().prop_map(Step::TakeSome),
        7 => (any::<prop::sample::Index>(), 0_u32..4, 1_u32..90)
            .prop_map(|(which, skip, pages)| Step::Release { which, skip, pages }),
        1 => (0_u32..420, pages).prop_map(|(start, pages)| Step::ReleaseAny(Extent { start, pages })),
    ];
    prop::collection::vec(step, 1..150)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is taken and given back, in whole or in part, first fit takes the free extent at the lowest address
    /// that suffices and best fit a smallest one that does, and the figures are those of a map of pages.
    #[test]
    fn extents_are_those_of_a_map_of_pages(steps in steps(), total in 1_u32..400) {
        let mut extents = FreeExtents::new(total);
        let mut model = Model(vec![false; total as usize]);
        let mut held: Vec<Extent> = Vec::new();
        for step in steps {
            match step {
                Step::Take(pages, fit) => {
                    let free = model.free();
                    let mut sufficient = free.iter().filter(|extent| pages > 0 && extent.pages >= pages);
                    let taken = extents.take(pages, fit);
                    match fit {
                        Fit::First => prop_assert_eq!(
                            taken,
                            sufficient.next().map(|extent| Extent { start: extent.start, pages })
                        ),
                        Fit::Best => {
                            let smallest = sufficient.map(|extent| extent.pages).min();
                            prop_assert_eq!(taken.is_some(), smallest.is_some());
                            if let Some(taken) = taken {
                                prop_assert_eq!(taken.pages, pages);
                                let cut = free.iter().find(|extent| extent.start == taken.start);
                                prop_assert_eq!(cut.map(|extent| extent.pages), smallest);
                            }
                        }
                    }
                    take(&mut model, &mut held, taken);
                }
                Step::TakeSome(at_most) => {
                    let any = at_most > 0 && !model.free().is_empty();
                    let taken = extents.take_some(at_most);
                    prop_assert_eq!(taken.is_some(), any);
                    prop_assert!(taken.is_none_or(|taken| (1..=at_most).contains(&taken.pages)));
                    take(&mut model, &mut held, taken);
                }
                Step::Release { which, skip, pages } => {
                    if held.is_empty() {
                        continue;
                    }
                    let index = which.index(held.len());
                    let whole = held.swap_remove(index);
                    let start = whole.start + skip.min(whole.pages - 1);
                    let end = (start + pages).min(whole.start + whole.pages);
                    let part = Extent { start, pages: end - start };
                    for rest in [
                        Extent { start: whole.start, pages: start - whole.start },
                        Extent { start: end, pages: whole.start + whole.pages - end },
                    ] {
                        held.extend((rest.pages > 0).then_some(rest));
                    }
                    extents.release(part).unwrap();
                    model.mark(part, false);
                }
                Step::ReleaseAny(extent) => {
                    let pages = extent.start as usize..(extent.start + extent.pages) as usize;
                    let all_taken = extent.pages > 0
                        && model.0.get(pages).is_some_and(|pages| pages.iter().all(|taken| *taken));
                    // What is held stays in `held`, so only the refusal can be tried.
                    if !all_taken {
                        prop_assert_eq!(extents.release(extent).unwrap_err().extent, extent);
                    }
                }
            }
            prop_assert_eq!(extents.free_space(), model.free_space());
        }
        for extent in held {
            extents.release(extent).unwrap();
        }
        prop_assert_eq!(extents.free_space(), FreeSpace { pages: total, largest: total, extents: 1 });
    }
}

fn extent(start: u32, pages: u32) -> Extent {
    Extent { start, pages }
}

/// With free extents of 4, 2 and 3 pages, first fit cuts 2 pages from the first and best fit takes the second whole.
#[test]
fn first_and_best_fit_differ() {
    for (fit, start, largest) in [(Fit::First, 0, 3), (Fit::Best, 5, 4)] {
        let mut extents = FreeExtents::new(14);
        assert_eq!(extents.take(14, fit), Some(extent(0, 14)));
        for free in [extent(0, 4), extent(5, 2), extent(8, 3)] {
            extents.release(free).unwrap();
        }
        assert_eq!(extents.take(2, fit), Some(extent(start, 2)));
        assert_eq!(extents.free_space().largest, largest);
    }
}

/// An extent that comes back between two free ones joins all three, and the figure of contiguity tells the difference.
#[test]
fn neighbours_are_joined() {
    let mut extents = FreeExtents::new(8);
    extents.take(8, Fit::Best).unwrap();
    for free in [extent(0, 2), extent(4, 2)] {
        extents.release(free).unwrap();
    }
    let scattered = extents.free_space();
    assert_eq!(
        (scattered.pages, scattered.largest, scattered.extents),
        (4, 2, 2)
    );
    assert_eq!(scattered.contiguity(), 0.5);
    extents.release(extent(2, 2)).unwrap();
    let joined = extents.free_space();
    assert_eq!((joined.pages, joined.largest, joined.extents), (6, 6, 1));
    assert_eq!(joined.contiguity(), 1.0);
}

/// Scattered pages are used up before a large extent is broken, and pages never used come last.
#[test]
fn scattered_pages_go_first() {
    let mut extents = FreeExtents::new(20);
    extents.take(10, Fit::Best).unwrap();
    for free in [extent(0, 4), extent(6, 1)] {
        extents.release(free).unwrap();
    }
    assert_eq!(extents.take_some(3), Some(extent(6, 1)));
    assert_eq!(extents.take_some(3), Some(extent(0, 3)));
    assert_eq!(extents.take_some(3), Some(extent(3, 1)));
    assert_eq!(extents.take_some(100), Some(extent(10, 10)));
    assert_eq!(extents.take_some(1), None);
    assert_eq!(extents.free_space().contiguity(), 1.0);
}

/// A page that is free already, or lies outside, cannot be released, whatever lies beside it.
#[test]
fn what_is_not_taken_cannot_be_released() {
    let mut extents = FreeExtents::new(200);
    extents.take(150, Fit::First).unwrap();
    extents.release(extent(70, 1)).unwrap();
    for wrong in [
        extent(70, 1),
        extent(0, 100),
        extent(140, 20),
        extent(150, 1),
        extent(199, 2),
        extent(u32::MAX, 2),
        extent(3, 0),
    ] {
        let error = extents.release(wrong).unwrap_err();
        assert_eq!(error.extent, wrong);
        assert!(
            error
                .to_string()
                .contains(&format!("from page {}:", wrong.start))
        );
    }
    assert_eq!(extents.free_space().pages, 51);
}

/// A range as large as there can be costs nothing until its pages are taken.
#[test]
fn the_largest_range_is_free_of_charge() {
    let mut extents = FreeExtents::new(u32::MAX - 1);
    assert_eq!(extents.take(1, Fit::Best), Some(extent(0, 1)));
    assert_eq!(extents.take(u32::MAX - 1, Fit::First), None);
    assert_eq!(extents.free_space().pages, u32::MAX - 2);
}
