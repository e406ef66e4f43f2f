/* SPDX-License-Identifier: Apache-2.0 */
#include "store/cudaver.h"

#include "tap.h"

TEST(branches)
{
	CHECK_STR(cudaver_of_driver("535.261.03"), "12.2");
	CHECK_STR(cudaver_of_driver("580.95.05"), "13.0");
	CHECK_STR(cudaver_of_driver("470.57.02"), "11.4");
	CHECK_STR(cudaver_of_driver("53.1"), NULL);
	CHECK_STR(cudaver_of_driver("5350.1"), NULL);
	CHECK_STR(cudaver_of_driver("999.1"), NULL);
	CHECK_STR(cudaver_of_driver(""), NULL);
}
