#!/usr/bin/env escript
%% The ACME client inside ejabberd, asked as ejabberd asks it: an account key that is kept, an RSA key for each
%% certificate, and http-01 answers for a web server, here as files in a folder.
%%
%%     p1_acme.escript issue DIRECTORY FOLDER NAME...
%%     p1_acme.escript revoke DIRECTORY FOLDER
-mode(compile).

main(Words) ->
    ok = p1_acme:start(),
    case perform(Words) of
        ok -> ok;
        {error, Reason} -> io:put_chars([p1_acme:format_error(Reason), $\n]), halt(1)
    end.

perform(["issue", Directory, Folder | Names]) ->
    Options = [{contact, ["mailto:admin@example.org"]}, {cert_type, rsa},
               {challenge_fun, fun(Answers) -> present(Folder, Answers) end}],
    case p1_acme:issue(Directory, Names, account_key(Folder), Options) of
        {ok, #{cert_key := Key, cert_chain := Chain}} ->
            write(Folder, "key.pem", [public_key:pem_entry_encode('RSAPrivateKey', Key)]),
            write(Folder, "chain.pem", [{'Certificate', encode(Certificate), not_encrypted} || Certificate <- Chain]);
        Error -> Error
    end;
perform(["revoke", Directory, Folder]) ->
    [{_, Certificate, _} | _] = read(Folder, "chain.pem"),
    [Entry] = read(Folder, "key.pem"),
    Key = public_key:pem_entry_decode(Entry),
    p1_acme:revoke(Directory, public_key:pkix_decode_cert(Certificate, otp), Key).

present(Folder, Answers) ->
    [ok = file:write_file(filename:join([Folder, "web", ".well-known", "acme-challenge", Token]), Answer)
     || #{token := Token, key := Answer} <- Answers].

account_key(Folder) ->
    case filelib:is_regular(filename:join(Folder, "account.pem")) of
        true ->
            [Entry] = read(Folder, "account.pem"),
            public_key:pem_entry_decode(Entry);
        false ->
            Key = p1_acme:generate_key(ec),
            ok = write(Folder, "account.pem", [public_key:pem_entry_encode('ECPrivateKey', Key)]),
            Key
    end.

encode(Certificate) -> public_key:pkix_encode('OTPCertificate', Certificate, otp).

write(Folder, Name, Entries) -> file:write_file(filename:join(Folder, Name), public_key:pem_encode(Entries)).

read(Folder, Name) ->
    {ok, Text} = file:read_file(filename:join(Folder, Name)),
    public_key:pem_decode(Text).
