"""Failed comparisons of the helpers show what differs, as those of the tests do."""

import pytest

pytest.register_assert_rewrite("tests.server.rows")
