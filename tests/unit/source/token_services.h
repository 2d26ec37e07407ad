/* STS and a container's agent: a child process on loopback that gives keys to who asks rightly. */
#pragma once

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CANARY "wJalrXUtnFEMI/K7MDENG/bPxRfiCYCANARYKEY1"

static unsigned port;
static pid_t server;

static const char sts_good[] =
	"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
	"<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
	"<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIASTSSTSSTSSTS0001"
	"</AccessKeyId><SecretAccessKey>" CANARY "</SecretAccessKey><SessionToken>sts+session="
	"</SessionToken><Expiration>2099-11-20T18:00:00Z</Expiration></Credentials>"
	"</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
static const char sts_expired[] =
	"HTTP/1.1 400 Bad\r\nConnection: close\r\n\r\n<ErrorResponse><Error>"
	"<Code>ExpiredTokenException</Code><Message>Token expired: " CANARY
	"</Message></Error></ErrorResponse>";
static const char agent_good[] =
	"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
	"{\"RoleArn\":\"arn:aws:iam::1:role/x\",\"AccessKeyId\":\"ASIAAGENTAGENTAGENT1\","
	"\"SecretAccessKey\":\"" CANARY "\",\"Token\":\"agent+session=\","
	"\"Expiration\":\"2099-11-20T18:00:00Z\"}";
static const char refused[] = "HTTP/1.1 403 No\r\nConnection: close\r\n\r\n" CANARY;

static inline void answer(int fd)
{
	char request[8192] = "";
	size_t have = 0;
	const char *text = refused;

	while (have < sizeof request - 1) {
		const ssize_t n = read(fd, request + have, sizeof request - 1 - have);
		if (n <= 0)
			break;
		have += (size_t)n;
		request[have] = 0;
		if (strstr(request, "\r\n\r\n") && (*request == 'G' || strstr(request, "Token=")))
			break;
	}
	if (!strncmp(request, "POST /sts ", 10)) {
		if (strstr(request,
			    "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws"
			    "%3Aiam%3A%3A1%3Arole%2Frescue&RoleSessionName=etcd-rescue&"
			    "WebIdentityToken=header.payload.sign-1_%3D"))
			text = sts_good;
		else if (strstr(request, "WebIdentityToken=old"))
			text = sts_expired;
	}
	if (!strncmp(request, "GET /agent ", 11) &&
		strstr(request, "\r\nAuthorization: Bearer agent-token\r\n"))
		text = agent_good;
	const ssize_t ignored = write(fd, text, strlen(text));
	(void)ignored;
}

static inline int services_start(void)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t size = sizeof here;
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&here, size) || listen(fd, 16) ||
		getsockname(fd, (struct sockaddr *)&here, &size))
		return -1;
	port = ntohs(here.sin_port);
	server = fork();
	if (!server) {
		alarm(120);
		for (;;) {
			const int peer = accept(fd, NULL, NULL);
			answer(peer);
			close(peer);
		}
	}
	close(fd);
	return server < 0;
}

static inline void services_end(void)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}
