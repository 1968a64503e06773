/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/unit/suite.h"

#include <stdlib.h>

int suite_main_forked(const char *name, TCase *cases[], enum fork_status status)
{
  Suite *suite = suite_create(name);
  for (size_t i = 0; cases[i]; i++)
    suite_add_tcase(suite, cases[i]);
  SRunner *runner = srunner_create(suite);
  srunner_set_fork_status(runner, status);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int suite_main(const char *name, TCase *cases[])
{
  return suite_main_forked(name, cases, CK_FORK_GETENV);
}
