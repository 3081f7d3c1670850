"""experiments/parts.md names parts that exist, in their own words. A new part need not be on the page yet."""

import program


def test_page_is_true():
    done = program.shoal("list", "--markdown")
    assert done.returncode == 0 and done.stderr == "", done
    now = done.stdout.splitlines()
    rows = [line for line in (program.SOURCE / "experiments/parts.md").read_text().splitlines() if line.startswith("| `")]
    assert len(rows) > 80, len(rows)
    wrong = [row for row in rows if row not in now]
    assert not wrong, "run 'shoal list --markdown > experiments/parts.md'\n" + "\n".join(wrong)


program.main(globals())
