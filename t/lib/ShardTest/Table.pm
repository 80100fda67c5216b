package ShardTest;

# The table of a test: written through the commit function of src/lua, without
# shardctl, so that a test of one program needs no other.

use warnings;
use strict;

use HTTP::Tiny;
use JSON::PP;
use Math::BigInt;


sub wait_for (&$$);        # of ShardTest.pm, which comes after this file


# boundaries of N equal shards, as 16 hex digits

sub boundaries {
    my ($count) = @_;

    my $all = Math::BigInt->new(2)->bpow(64);

    return map {
        sprintf '%016s', substr($all->copy()->bmul($_)->bdiv($count)->as_hex(),
                                2)
    } 0 .. $count - 1;
}


# The table through the commit function, and its owners told so.  "place" is
# a sub: shard id -> node name (default: in turn); "record" more fields.

sub seed {
    my ($self, %args) = @_;

    my $r = $self->redis();
    my @names = $args{nodes} ? @{ $args{nodes} } : $self->node_names();
    my $place = $args{place} || sub { $names[$_[0] % @names] };
    my @lo = boundaries($self->{shards});
    my @changes = ('meta', 'kind', 'hash');

    for my $name ($self->node_names()) {
        my %node = (%{ $self->{nodes}{$name} }, state => 'up');
        delete $node{name};
        $node{capacity} += 0;
        push @changes, 'node', $name, encode_json(\%node);
    }

    for my $id (0 .. $#lo) {
        push @changes, 'shard', $id, encode_json({
            lo => $lo[$id], hi => $id < $#lo ? $lo[$id + 1] : undef,
            primary => $place->($id), epoch => 1, %{ $args{record} || {} } });
    }

    $r->command('FUNCTION', 'LOAD', 'REPLACE', $self->library());

    my $got = $self->commit('keyspace', @changes);
    die "seed: @$got\n" if $got->[0] ne 'ok';

    $self->tell_owners($place) if !$args{silent};
    return $got->[1];
}


# [kind, id, json]... under a claim of its own; the function's answer

sub commit {
    my ($self, $scope, @changes) = @_;

    my $r = $self->redis();
    my $holder = "test-$$";
    my $op = sprintf 'test-%d-%d', $$, ++$self->{operations};

    my $got = $r->command('FCALL', 'shard_claim', 2, $self->key('meta'),
                          $self->key('claims'), $scope, $holder, 5000);
    die "claim of $scope: @$got\n" if $got->[0] ne 'ok';

    my $token = $got->[1];

    $got = $r->command('FCALL', 'shard_commit', 6,
                       (map { $self->key($_) } qw/ meta table nodes log claims /,
                            "op:$op"),
                       $scope, $token, $holder, -1, $op, 'test', @changes);

    $r->command('FCALL', 'shard_release', 2, $self->key('meta'),
                $self->key('claims'), $scope, $holder, $token);
    return $got;
}


sub tell_owners {
    my ($self, $place) = @_;

    for my $id (0 .. $self->{shards} - 1) {
        my $node = $self->{nodes}{$place->($id)};
        my $answer = HTTP::Tiny->new(timeout => 5)->put(
            "http://$node->{addr}/_shard/$id/role",
            { content => '{"role":"primary","epoch":1}' });

        die "shard $id on $node->{name}: $answer->{status} "
            . "$answer->{content}\n" if !$answer->{success};
    }
}


sub shard_record {
    my ($self, $id) = @_;

    my $json = $self->redis()->command('HGET', $self->key('table'), $id);
    return defined $json ? decode_json($json) : undef;
}


# a shard's record with other fields (undef: without it), as a change

sub changed_shard {
    my ($self, $id, %fields) = @_;

    my $record = $self->shard_record($id);
    @$record{keys %fields} = values %fields;
    delete @$record{grep { $_ ne 'hi' && !defined $record->{$_} }
                    keys %$record};

    return ('shard', $id, encode_json($record));
}


# the version of a commit that must not fail

sub committed {
    my ($self, @commit) = @_;

    my $got = $self->commit(@commit);

    die "@$got\n" if $got->[0] ne 'ok';
    return $got->[1];
}


# and in force here, within 5 s or "follow_seconds" of new()

sub followed {
    my ($self, $version) = @_;

    wait_for { $self->api('')->{version} >= $version }
             $self->{follow_seconds} || 5, "version $version";
    return $version;
}


sub update_shard {
    my ($self, $id, %fields) = @_;

    return $self->followed($self->committed("shard:$id",
                                   $self->changed_shard($id, %fields)));
}


# the same of several, in one change of the table; not waited for

sub commit_shards {
    my ($self, $fields, @ids) = @_;

    return $self->committed('keyspace',
                            map { $self->changed_shard($_, %$fields) } @ids);
}


# this router's entry

sub router {
    my ($self) = @_;

    my $json = $self->redis()->command('HGET', $self->key('routers'), 'edge-1');
    die "no entry of router \"edge-1\"\n" if !defined $json;
    return decode_json($json);
}


sub barrier {
    my ($self, $id) = @_;

    return $self->router()->{barriers}{$id} || {};
}


sub hold_shard {
    my ($self, $id, $target) = @_;

    return $self->update_shard($id, phase => 'held', target => $target,
                               migration => '00000000000000ab');
}


sub release_shard {
    my ($self, $id, %fields) = @_;

    return $self->update_shard($id, phase => 'steady', target => undef,
                               migration => undef, %fields);
}


# of all shards

sub inflight {
    my ($self) = @_;

    my $sum = 0;

    $sum += $_->{inflight} for @{ $self->api('/shards?limit=1000')->{shards} };
    return $sum;
}


# true when nothing is in flight or waits, in any shard and at any node

sub idle {
    my ($self) = @_;

    my $all = $self->api('/shards?limit=1000')->{shards};
    my $metrics = $self->get('/metrics')->{content};

    return !(grep { $_->{inflight} } @$all) && !$self->api('')->{waiting}
           && $metrics !~ /^nginx_shard_inflight\S* [1-9-]/m;
}


sub version {
    my ($self) = @_;

    return $self->redis()->command('HGET', $self->key('meta'), 'version') || 0;
}


# A large table, straight into Redis' hashes: equal shards over the nodes
# node-0001 ... in turn, at addresses nobody serves, or at that of the sub
# "addr" of a node's number from 0; "kind" hash, or range uint64.

sub seed_large {
    my ($self, $nshards, $nnodes, %args) = @_;

    my $r = $self->redis();
    my @names = map { sprintf 'node-%04d', $_ } 1 .. $nnodes;
    my $width = int(2 ** 48 / $nshards);
    my $lo = sub { sprintf '%012x0000', $_[0] * $width };
    my $addr = $args{addr}
               || sub { sprintf '127.1.%d.%d:1', $_[0] / 250, $_[0] % 250 + 1 };

    $r->command('HSET', $self->key('nodes'), map {
        ($names[$_], encode_json({ addr => $addr->($_), zone => 'z' . $_ % 3,
                                   capacity => 100, state => 'up' }))
    } 0 .. $#names);

    for (my $id = 0; $id < $nshards; $id += 5000) {
        my $last = $id + 4999 < $nshards ? $id + 4999 : $nshards - 1;

        $r->command('HSET', $self->key('table'), map {
            my $hi = $_ < $nshards - 1 ? '"' . $lo->($_ + 1) . '"' : 'null';
            ($_, '{"lo":"' . $lo->($_) . "\",\"hi\":$hi,\"primary\":\""
                 . $names[$_ % $nnodes] . '","epoch":1}')
        } $id .. $last);
    }

    $r->command('HSET', $self->key('meta'), kind => $args{kind} || 'hash', version => 1);
}


1;
