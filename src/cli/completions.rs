//! `almoner completions` and `almoner man`: made from the command line itself, so never out of date.

use std::path::PathBuf;

use clap_complete::Shell;

use super::{Context, Failure};

/// Write shell completions
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  almoner completions bash > /etc/bash_completion.d/almoner")]
pub struct ShellArgs {
    /// The shell
    shell: Shell,
}

/// Write the manual page, or one for each command into a folder
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  almoner man | man -l -\n  almoner man --out /usr/share/man/man1"
)]
pub struct ManArgs {
    /// A folder for one page a command
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Writes completions.
pub fn shell(
    args: &ShellArgs,
    context: &mut Context<'_>,
    mut command: clap::Command,
) -> Result<(), Failure> {
    clap_complete::generate(args.shell, &mut command, "almoner", &mut context.out);
    Ok(())
}

/// Writes manual pages.
pub fn man(
    args: &ManArgs,
    context: &mut Context<'_>,
    command: clap::Command,
) -> Result<(), Failure> {
    match &args.out {
        None => Ok(clap_mangen::Man::new(command).render(&mut context.out)?),
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            Ok(clap_mangen::generate_to(command, folder)?)
        }
    }
}
