//! Sums the uses of a Parquet file by payee and apportions an amount by the sums, exactly.
//!
//! `settlement USES OUT PAYEES AMOUNT THREADS` reads `payee` and `weight`, writes `payee` and `share`.

#[path = "../../../src/reward"]
pub mod reward {
    pub mod apportion;
    pub mod tally;
}

use std::{env, error::Error, fs::File, path::Path, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [uses, out, payees, amount, threads] = arguments.as_slice() else {
        return Err("usage: settlement USES OUT PAYEES AMOUNT THREADS".into());
    };
    rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build_global()?;
    let payees: u32 = payees.parse()?;
    let began = Instant::now();
    let sums = reward::tally::tally(Path::new(uses), usize::try_from(payees)?)?;
    let summed = began.elapsed();
    // A tie goes to the smaller place, so that other programs can do the same.
    let keys: Vec<u32> = (0..payees).collect();
    let given = reward::apportion::apportion(amount.parse()?, &sums, &keys)?;
    drop((sums, keys));
    let apportioned = began.elapsed();
    reward::tally::write_shares(&given.shares, File::create(out)?)?;
    eprintln!(
        "summed {summed:.2?}, apportioned {apportioned:.2?}, written {:.2?}",
        began.elapsed()
    );
    Ok(())
}
