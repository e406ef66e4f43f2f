/* SPDX-License-Identifier: Apache-2.0 */
/* Does nothing: the least that a runtime or a hook can be. */
int main(void)
{
	return 0;
}
