/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "oci/scan.h"
#include "tap.h"

TEST(names_of_requests_are_found)
{
	static const char *const yes[] = { "\"NVIDIA_VISIBLE_DEVICES=all\"",
					   "\"NVIDIA_VISIBLE_DEVICES=void\",\"NVIDIA_VISIBLE_DEVICES=0\"",
					   "\"NVIDIA_VISIBLE_DEVICES=void,0\"",
					   "\"CUDA_VERSION=7.5\"",
					   "\"DOCKER_RESOURCE_GPU=0\"",
					   "\"DOCKER_RESOURCE_NVIDIA-GPU=0\"",
					   "/var/run/nvidia-container-devices/all",
					   "\"nvidia.com/gpu=0\"",
					   "\"io.nvcoreos.edits\":\"1\"",
					   "\"NVIDIA_VISIBLE_DEVICES=" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		char text[128] = "{\"process\":{\"env\":[\"A=b\",";
		size_t n;

		strncat(text, yes[i], sizeof(text) - strlen(text) - 1);
		n = strlen(text);
		CHECK(scan_has_request(text, n));
		CHECK(scan_has_request(yes[i], strlen(yes[i])));
	}
}

TEST(other_text_is_not)
{
	static const char *const no[] = {
		"",
		"{}",
		"NVIDIA_VISIBLE_DEVICES=all",
		"\"NVIDIA_VISIBLE_DEVICES=\"",
		"\"NVIDIA_VISIBLE_DEVICES=void\"",
		"\"X_NVIDIA_VISIBLE_DEVICES=all\"",
		"\"MYCUDA_VERSION=1\"",
		"\"cdi.k8s.io/x\":\"acme.com/gizmo\"",
		"CUDA_VERSION",
		"DOCKER_RESOURCE",
		"nvidia_visible_devices",
		"nvidia.com",
		"io.nvcoreos.edit",
	};

	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		CHECK(!scan_has_request(no[i], strlen(no[i])));
	/* The length counts, not a NUL. */
	CHECK(!scan_has_request("nvidia.com/", 10));
	CHECK(scan_has_request("\0nvidia.com/", 12));
}
