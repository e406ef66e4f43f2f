/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe: static, so that it runs in any root. Prints one word a question.
 *
 *   probe open PATH            OK or the name of the errno
 *   probe stat PATH            "c 195:255 666 0:0", "f ...", "d ...", "l ..."
 *   probe mknod PATH c MAJ MIN OK or the errno
 *   probe write PATH           OK or the errno (opens for writing, creates nothing)
 *   probe create PATH          OK or the errno
 *   probe socket PATH          OK or the errno (makes one)
 *   probe flags PATH           mount flags that hold there: "ro,nosuid,nodev"
 *   probe mounts               number of mounts
 *   probe fds                  number of open file descriptors
 *   probe env KEY              value; exit 1 if not set
 *   probe inflight PATH        no word: opens it and waits, its descriptor in a socket alone, where no /proc/PID/fd shows it
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

static int answer(int failed)
{
	puts(failed ? strerrorname_np(errno) : "OK");
	return failed != 0;
}

static int answer_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0600);

	return answer(fd < 0);
}

static char type_letter(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFCHR:
		return 'c';
	case S_IFBLK:
		return 'b';
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	case S_IFREG:
		return 'f';
	default:
		return '?';
	}
}

static int show_stat(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return answer(1);
	printf("%c ", type_letter(st.st_mode));
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		printf("%u:%u ", major(st.st_rdev), minor(st.st_rdev));
	printf("%o %u:%u\n", st.st_mode & 07777, st.st_uid, st.st_gid);
	return 0;
}

static int make_node(const char *path, const char *type, const char *maj, const char *min)
{
	mode_t mode = (*type == 'b' ? S_IFBLK : S_IFCHR) | 0666;

	return answer(mknod(path, mode, makedev(atoi(maj), atoi(min))) < 0);
}

static int make_socket(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const char *slash = strrchr(path, '/');

	/* The name of a socket is short. */
	if (slash) {
		char *dir = strndup(path, (size_t)(slash - path + 1));

		if (!dir || chdir(dir) < 0)
			return answer(1);
		free(dir);
		path = slash + 1;
	}
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	return answer(fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0);
}

static int show_flags(const char *path)
{
	struct statvfs v;

	if (statvfs(path, &v) < 0)
		return answer(1);
	printf("%s%s%s%s\n", v.f_flag & ST_RDONLY ? "ro" : "rw", v.f_flag & ST_NOSUID ? ",nosuid" : "",
	       v.f_flag & ST_NODEV ? ",nodev" : "", v.f_flag & ST_NOEXEC ? ",noexec" : "");
	return 0;
}

static int count_mounts(void)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	int c, n = 0;

	if (!f)
		return answer(1);
	while ((c = getc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	printf("%d\n", n);
	return 0;
}

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	if (!d)
		return answer(1);
	while (readdir(d))
		n++;
	closedir(d);
	printf("%d\n", n - 3); /* ".", ".." and the directory's own */
	return 0;
}

static int show_env(const char *key)
{
	const char *value = getenv(key);

	if (value)
		puts(value);
	return !value;
}

static int hold_in_flight(const char *path)
{
	char control[CMSG_SPACE(sizeof(int))] = "", byte = 'x';
	struct iovec iov = { &byte, 1 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	int pair[2], fd = open(path, O_RDONLY | O_CLOEXEC);

	*h = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(fd)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	if (fd < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || sendmsg(pair[0], &m, 0) < 0)
		return answer(1);
	close(fd);
	pause();
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "", *arg = argc > 2 ? argv[2] : NULL;

	if (!strcmp(verb, "mounts"))
		return count_mounts();
	if (!strcmp(verb, "fds"))
		return count_fds();
	if (arg && !strcmp(verb, "open"))
		return answer_open(arg, O_RDONLY);
	if (arg && !strcmp(verb, "write"))
		return answer_open(arg, O_WRONLY);
	if (arg && !strcmp(verb, "create"))
		return answer_open(arg, O_WRONLY | O_CREAT | O_EXCL);
	if (arg && !strcmp(verb, "stat"))
		return show_stat(arg);
	if (arg && !strcmp(verb, "socket"))
		return make_socket(arg);
	if (arg && !strcmp(verb, "flags"))
		return show_flags(arg);
	if (arg && !strcmp(verb, "env"))
		return show_env(arg);
	if (arg && !strcmp(verb, "inflight"))
		return hold_in_flight(arg);
	if (argc == 6 && !strcmp(verb, "mknod"))
		return make_node(arg, argv[3], argv[4], argv[5]);
	fprintf(stderr,
		"usage: probe open|write|create|stat|socket|flags|env|inflight ARG | mknod PATH c|b MAJ MIN | mounts | fds\n");
	return 2;
}
