/* Any bytes as known_hosts: what it says of a host depends on nothing outside them. */
#include <stdlib.h>
#include <string.h>

#include "source/sftp_hosts.h"
#include "source/sftp_login.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str text = { (const char *)data, size };
	const struct sftp_host hosts[] = {
		{ "backup.example", 22, "ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIBtP" },
		{ "backup.example", 2222, "ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIBtP" },
		{ "backup.example", 22, NULL, NULL },
	};

	for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
		struct sftp_hosts_answer answer = { 0 };
		sftp_hosts_ask(&answer, text, &hosts[i]);
		/* A key can be believed only if its own bytes stand there. */
		if ((answer.known || answer.revoked) &&
			!memmem(data, size, "AAAAC3NzaC1lZDI1NTE5AAAAIBtP", 28))
			abort();
		if (!hosts[i].key && (answer.known || answer.revoked || answer.changed_line))
			abort();
	}
	sftp_login_is_locked(text);
	return 0;
}
