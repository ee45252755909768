//! The sides of a row, measured in turn and in short windows: what slows the machine down for a while slows all of them,
//! and a round that it hit unevenly is not the median.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::LocalBoxFuture;

/// Of one measurement.
pub const WINDOW: Duration = Duration::from_millis(400);
/// Odd: the median of the rounds counts.
const ROUNDS: usize = 15;

/// Whether everything is measured a single time and with few instances stored: it says nothing about speed, but goes all
/// the ways that the compiler is to know (`benches/train`).
pub static BRIEF: AtomicBool = AtomicBool::new(false);

pub fn extent<N>(whole: N, brief: N) -> N {
    if BRIEF.load(Ordering::Relaxed) { brief } else { whole }
}

/// Measures once: so many per second.
pub type Side<'a> = Box<dyn Fn() -> LocalBoxFuture<'a, f64> + 'a>;

pub fn side<'a, F: Future<Output = f64> + 'a>(measure: impl Fn() -> F + 'a) -> Side<'a> {
    Box::new(move || Box::pin(measure()))
}

/// The rates of all, each measured once in every round.
pub async fn in_turn(sides: &[Side<'_>]) -> Vec<Vec<f64>> {
    in_rounds(sides, extent(ROUNDS, 1)).await
}

pub async fn in_rounds(sides: &[Side<'_>], rounds: usize) -> Vec<Vec<f64>> {
    let mut rates = vec![Vec::new(); sides.len()];
    for round in 0..=rounds {
        // Each goes first as often as the others.
        for at in (0..sides.len()).map(|at| (at + round) % sides.len()) {
            let rate = sides[at]().await;
            // The first round warms up.
            rates[at].extend((round > 0).then_some(rate));
        }
    }
    rates
}

/// Per second; `ratio` is the median of the rounds' own ratios.
#[derive(Clone, Copy)]
pub struct Compared {
    pub ours: f64,
    pub base: f64,
    pub ratio: f64,
}

impl Compared {
    pub fn of(ours: &[f64], base: &[f64]) -> Self {
        let ratios = ours.iter().zip(base).map(|(ours, base)| ours / base).collect();
        Self { ours: median(ours.to_vec()), base: median(base.to_vec()), ratio: median(ratios) }
    }
}

pub async fn compare<'a, A, B>(ours: impl Fn() -> A + 'a, base: impl Fn() -> B + 'a) -> Compared
where
    A: Future<Output = f64> + 'a,
    B: Future<Output = f64> + 'a,
{
    let rates = in_turn(&[side(ours), side(base)]).await;
    Compared::of(&rates[0], &rates[1])
}

pub fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
