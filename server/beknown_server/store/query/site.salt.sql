select secret from site where id = 2
