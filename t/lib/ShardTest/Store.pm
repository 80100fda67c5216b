package ShardTest::Store;

# The function library, call by call, at one Redis and keyspace at a time: an
# outcome is one line, "ok 7", "fenced 3 m", and so is an error reply.

use warnings;
use strict;

use Exporter qw/ import /;

our @EXPORT = qw/ at k fcall claim release token version /;

my ($r, $keyspace);


sub at { ($r, $keyspace) = @_ }

sub k { return "shard:{$keyspace}:$_[0]" }


sub fcall {
    my ($function, $nkeys, @args) = @_;

    my $got = eval { $r->command('FCALL', $function, $nkeys, @args) };
    return $got ? join(' ', @$got) : "error $@";
}


sub claim {
    my ($scope, $holder, $ttl_ms) = @_;

    return fcall('shard_claim', 2, k('meta'), k('claims'), $scope, $holder,
                 defined $ttl_ms ? $ttl_ms : 60000);
}


sub release {
    my ($scope, $holder, $token) = @_;

    return fcall('shard_release', 2, k('meta'), k('claims'), $scope, $holder,
                 $token);
}


# of a claim that must not fail

sub token {
    my ($scope, $holder) = @_;

    my $got = claim($scope, $holder);
    return $got =~ /^ok (\d+)$/ ? $1 : die "claim of $scope: $got\n";
}


sub version { return $r->command('HGET', k('meta'), 'version') || 0 }


1;
