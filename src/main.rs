//! The command `almoner`: everything is in `almoner::cli`.

fn main() -> std::process::ExitCode {
    almoner::cli::main()
}
